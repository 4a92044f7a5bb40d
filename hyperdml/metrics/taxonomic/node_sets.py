"""Hierarchical precision, recall and F1 of predicted nodes: by sets of ancestors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels
from hyperdml.metrics.taxonomic.ancestry import ancestry
from hyperdml.metrics.taxonomic.nodes import node_pairs
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True)
class NodeSetScores:
    """Sizes of the sets of `node_set_scores` sample by sample, and the scores made of them.

    Attributes:
        shared: (B,) float64, ``|anc(prediction) ∩ anc(label)|``.
        predicted: (B,) float64, ``|anc(prediction)|``.
        true: (B,) float64, ``|anc(label)|``.
    """

    shared: Tensor
    predicted: Tensor
    true: Tensor

    @property
    def precision(self) -> Tensor:
        """(B,) shared / predicted; NaN where nothing but a root is predicted."""
        return self.shared / self.predicted

    @property
    def recall(self) -> Tensor:
        """(B,) shared / true; NaN where the label is a root."""
        return self.shared / self.true

    @property
    def f1(self) -> Tensor:
        """(B,) harmonic mean of the two, ``2 shared / (predicted + true)``; NaN where both sets are empty."""
        return 2 * self.shared / (self.predicted + self.true)

    def micro(self) -> tuple[float, float, float]:
        """Precision, recall and F1 of the sums over all samples; NaN where a sum is 0."""
        total = NodeSetScores(self.shared.sum(), self.predicted.sum(), self.true.sum())
        return float(total.precision), float(total.recall), float(total.f1)


def node_set_scores(predictions: Labels, labels: Labels, taxonomy: Taxonomy) -> NodeSetScores:
    """Set-based hierarchical precision and recall (Kiritchenko et al., 2006; Silla and Freitas, 2011, Sec. 6).

    ``hP = |anc(p) ∩ anc(y)| / |anc(p)|`` and ``hR = |anc(p) ∩ anc(y)| / |anc(y)|`` for prediction p and label y, where
    anc(v) is v and its ancestors without the root. In a forest of several roots no node is above all, and all count.
    Micro averages divide sums over samples, macro averages are means of the samples' scores. "Hierarchical precision"
    also stands for `hierarchical_precision_at_k`, which is another thing.

    Args:
        predictions: (B,) nodes at any level, indices into `taxonomy.names`, as from `hyperdml.hace.decide`; -1 for no
            node.
        labels: (B,) nodes at any level.
        taxonomy: tree, forest or DAG.

    Raises:
        ValueError: shapes differ, or an entry is not a node; the message names the row.

    Example:
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> node_set_scores([1, 3, 2], [0, 0, 0], taxonomy).f1.tolist()  # finch, bird and eel for a wren
        [0.5, 0.6666666666666666, 0.0]
    """
    predicted, true = node_pairs(predictions, labels, taxonomy)
    answered = predicted >= 0
    counted = np.ones(len(taxonomy), dtype=np.int64)
    if len(taxonomy.roots) == 1 and len(taxonomy) > 1:
        counted[taxonomy.roots] = 0
    sizes = taxonomy.ancestor_closure.counts - (1 - int(counted[taxonomy.roots[0]]))
    shared = np.zeros(len(predicted))
    shared[answered] = _shared_sizes(predicted[answered], true[answered], taxonomy, counted, sizes)
    own = np.where(answered, sizes[predicted], 0)
    return NodeSetScores(*(torch.from_numpy(part.astype(np.float64)) for part in (shared, own, sizes[true])))


def _shared_sizes(one: Ints, other: Ints, taxonomy: Taxonomy, counted: Ints, sizes: Ints) -> Ints:
    """(n,) number of counted common ancestors of pairs."""
    if taxonomy.is_forest:
        meet = taxonomy.lca(one, other)
        return np.where(meet < 0, 0, sizes[meet])
    found = ancestry(taxonomy).shared(one, other)
    weight = counted[taxonomy.ancestor_closure.values[found.one]]
    return np.bincount(found.pair, weight, len(one)).astype(np.int64)
