"""Evaluation: tables of predictions and attacks, and the metrics computed from them."""
