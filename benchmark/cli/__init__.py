"""The `temper` command: the one place that prints."""
