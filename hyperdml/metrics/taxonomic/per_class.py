"""Accuracy class by class at one level of a taxonomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True)
class PerClassAccuracy:
    """Accuracy of every node of a level, as the family and manufacturer figures of HACE (Sec. 5.1.2, A.8) show it.

    Attributes:
        level: name of the level.
        nodes: (K,) int64 nodes of the level, ascending.
        names: their names.
        accuracy: (K,) float64 share of the node's samples for which it was predicted at this level; NaN without
            samples. (In a DAG: for which a node at or above their label was.)
        count: (K,) int64 samples at or below the node.
    """

    level: str
    nodes: Tensor
    names: tuple[str, ...]
    accuracy: Tensor
    count: Tensor

    @property
    def mean(self) -> float:
        """Mean over the nodes that have samples, each weighing the same."""
        return float(self.accuracy.nanmean())


def class_means(right: Tensor, labels: Tensor, nodes: Ints, taxonomy: Taxonomy, level: str) -> PerClassAccuracy:
    """Means of a level's hits over the samples of each of its nodes.

    Args:
        right: (n,) 1, 0, or NaN where the label does not reach down to the level.
        labels: (n,) nodes.
        nodes: of the level, ascending.
        taxonomy: tree, forest or DAG.
        level: name of the level.
    """
    known = ~right.isnan()
    rows = taxonomy.ancestor_closure.rows(labels[known].numpy())
    place = np.full(len(taxonomy), -1)
    place[nodes] = np.arange(len(nodes))
    node, sample = place[rows.values], rows.row_of_values
    inside = node >= 0
    count = np.bincount(node[inside], minlength=len(nodes))
    hits = np.bincount(node[inside], right[known].numpy()[sample[inside]], len(nodes))
    accuracy = np.where(count > 0, hits / np.maximum(count, 1), np.nan)
    names = tuple(taxonomy.names[v] for v in nodes.tolist())
    return PerClassAccuracy(level, torch.from_numpy(nodes), names, torch.from_numpy(accuracy), torch.from_numpy(count))
