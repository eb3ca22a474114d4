"""Tools for authors of methods: create a method from a template, and check it."""
