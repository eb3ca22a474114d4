"""Plan cells, run them, store their outputs, and turn these into records."""
