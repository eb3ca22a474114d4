"""Plan cells, run them, keep what they make, and turn it into records."""
