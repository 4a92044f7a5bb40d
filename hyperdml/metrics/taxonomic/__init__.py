"""Scores of classification over a taxonomy: from logits of leaves or of all nodes, sample by sample."""
