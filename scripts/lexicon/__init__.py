"""How the packaged substitution lexicon is made: WordNet's relations, inflection, and counter-fitting."""
