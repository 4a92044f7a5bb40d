"""Nearest neighbours of points in the Poincaré ball: search, k-reciprocal sets, re-ranking."""

from hyperdml.neighbors.ivf import IVF
from hyperdml.neighbors.knn import CosineKNN, EuclideanKNN, ExactKNN, HyperbolicKNN, make_knn
from hyperdml.neighbors.neighbor_graph import NeighborGraph
from hyperdml.neighbors.reciprocal import reciprocal_mask
from hyperdml.neighbors.reciprocal_sets import expanded_graph, reciprocal_graph, reciprocal_neighbors
from hyperdml.neighbors.rerank import KReciprocalReranker

__all__ = [
    "IVF",
    "CosineKNN",
    "EuclideanKNN",
    "ExactKNN",
    "HyperbolicKNN",
    "KReciprocalReranker",
    "NeighborGraph",
    "expanded_graph",
    "make_knn",
    "reciprocal_graph",
    "reciprocal_mask",
    "reciprocal_neighbors",
]
