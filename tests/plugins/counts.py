"""Counts tests per database (filled by the process helper)."""
