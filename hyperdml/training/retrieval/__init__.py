"""Retrieval runs: their configuration, modules, arms and reports."""
