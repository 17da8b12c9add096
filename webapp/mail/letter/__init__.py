"""The letter of a campaign: compiled once, filled for each person in microseconds. Start with `model`."""
