"""Explicit trees, always computed in the learned space."""

from hyperdml.tree.ancestors import ROOT, nearest_ancestors

__all__ = ["ROOT", "nearest_ancestors"]
