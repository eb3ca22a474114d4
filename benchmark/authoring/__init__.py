"""For authors of methods: create one from a template, and check everything about it."""
