"""Temper's engine: train, predict, attack and score fine-tuning methods. It knows no method by name."""

__version__ = "0.1.0"
