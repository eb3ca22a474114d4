"""Evaluation: predictions, their tables and the metrics on them."""
