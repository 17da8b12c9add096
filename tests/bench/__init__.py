"""Benchmarks: each prints figures and ratios to a rival of the same run; none decides pass or fail by time."""
