"""Build a submission from a finished run, read and verify one, and publish its records."""
