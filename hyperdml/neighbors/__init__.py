"""Nearest neighbours of points in the Poincaré ball: exact search, and reciprocity within a batch."""

from hyperdml.neighbors.knn import CosineKNN, EuclideanKNN, ExactKNN, HyperbolicKNN, make_knn
from hyperdml.neighbors.reciprocal import reciprocal_mask

__all__ = ["CosineKNN", "EuclideanKNN", "ExactKNN", "HyperbolicKNN", "make_knn", "reciprocal_mask"]
