"""Searches: in which order words are tried, and which of the candidates is gone on with."""
