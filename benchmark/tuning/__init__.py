"""Tuning: search spaces, the points that are tried, and the trials of every method of a suite."""
