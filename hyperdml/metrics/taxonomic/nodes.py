"""Predicted and true nodes, checked once for every score."""

from __future__ import annotations

import numpy as np

from hyperdml.metrics.labels import Labels, integers
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


def node_pairs(predictions: Labels, labels: Labels, taxonomy: Taxonomy) -> tuple[Ints, Ints]:
    """Predictions and labels as (B,) int64 nodes.

    Args:
        predictions: (B,) nodes, -1 for none.
        labels: (B,) nodes.
        taxonomy: theirs.

    Raises:
        ValueError: shapes differ, or an entry is not a node; the message names the row.
    """
    predicted = nodes_of(predictions, "predictions", taxonomy, lowest=-1)
    true = nodes_of(labels, "labels", taxonomy)
    if predicted.shape != true.shape:
        raise ValueError(f"there must be a label for each prediction, got {len(true)} for {len(predicted)}")
    return predicted, true


def nodes_of(nodes: Labels, name: str, taxonomy: Taxonomy, lowest: int = 0) -> Ints:
    """(B,) int64 nodes.

    Raises:
        ValueError: they are no vector of integers from `lowest` to N - 1; the message names the row.
    """
    found: Ints = integers(nodes, name).numpy()
    if found.ndim != 1:
        raise ValueError(f"{name} must hold one node a sample, (B,), got {found.shape}")
    wrong = np.flatnonzero((found < lowest) | (found >= len(taxonomy)))
    if len(wrong):
        raise ValueError(
            f"{name} must be indices into taxonomy.names, {lowest} to {len(taxonomy) - 1}, but row {wrong[0]} has "
            f"{found[wrong[0]]}"
        )
    return found
