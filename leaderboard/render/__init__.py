"""Renderers: each writes one file from the same in-memory table."""
