"""Scores of trees beside their null models, and where the radii lie."""
