"""Tests of benchmark.resources."""
