"""Parts of the scripts that build the packaged lexicons: WordNet's relations, inflection and counter-fitting."""
