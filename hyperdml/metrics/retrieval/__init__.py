"""Flat retrieval scores: what a search found, and the scores that are read off it."""
