"""Lexicons: which words may stand in for a word. Attacks swap by them, and so do methods that train against swaps."""

from benchmark.lexicons.lexicon import Lexicon, Neighbours, lexicon_fingerprint, lexicon_path

__all__ = ["Lexicon", "Neighbours", "lexicon_fingerprint", "lexicon_path"]
