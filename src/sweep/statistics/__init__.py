"""Intervals, tests, and which points are dominated; on plain arrays."""
