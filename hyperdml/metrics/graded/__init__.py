"""Retrieval scores over levels of a label hierarchy."""
