"""Build a submission from a finished run, read and verify it, and publish its records."""
