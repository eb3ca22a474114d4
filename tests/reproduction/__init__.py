"""Tests of benchmark.reproduction."""
