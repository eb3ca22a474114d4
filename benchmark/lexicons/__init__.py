"""Lexicons of word substitutions, for attacks and for methods that train against them."""

from benchmark.lexicons.lexicon import Lexicon, Neighbours, lexicon_fingerprint, lexicon_path

__all__ = ["Lexicon", "Neighbours", "lexicon_fingerprint", "lexicon_path"]
