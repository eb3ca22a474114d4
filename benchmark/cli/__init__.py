"""The `temper` command, the only package that prints."""
