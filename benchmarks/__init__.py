"""Measurements side by side with the peers; RESULTS.md keeps the figures."""
