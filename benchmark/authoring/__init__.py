"""For authors: a method begun from a template, and everything about one checked."""
