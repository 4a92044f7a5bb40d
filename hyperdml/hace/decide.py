"""From logits to a node: decision rules over a taxonomy."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hyperdml.hace.aggregate import aggregated_log_prob, cached_aggregation, head_of
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.queries import Node

Rule = Literal["leaf", "cost", "confidence"]
_BLOCK = 2048  # classes whose costs are gathered at once


class TopLeaves(NamedTuple):
    """The likeliest leaves of every row, best first.

    Attributes:
        log_prob: (B, k).
        leaf: (B, k) labels.
    """

    log_prob: Tensor
    leaf: Tensor


@torch.no_grad()
def decide(
    logits: Tensor,
    taxonomy: Taxonomy,
    rule: Rule = "leaf",
    *,
    confidence: float | None = None,
    within: Node | None = None,
) -> Tensor:
    """A node for every row of logits.

    - "leaf": the likeliest leaf.
    - "cost": the leaf of least expected cost, where the cost of two leaves is the height of their lowest common
      ancestor (conditional risk minimisation; Karthik et al., ICLR 2021). In trees and forests it is read off the
      masses of the nodes in one pass; a DAG needs its (C, C) distance matrix.
    - "confidence": the deepest node whose probability, with all below it, is at least `confidence`; of several of one
      depth the likeliest (after Deng et al., CVPR 2012). Above one half they lie on one path of a tree.

    Args:
        logits: (B, N) or (B, C), of any floating type, from a head of all nodes or of the leaves.
        taxonomy: tree, forest or DAG.
        rule: one of these.
        confidence: above 0, at most 1; for its rule.
        within: name or index of a node: all probabilities are conditional on it, and the answer lies below it.

    Returns:
        (B,) int64 nodes, indices into `taxonomy.names`; labels are nodes. -1 where no node of a forest is that
        probable.

    Raises:
        ValueError: rule or confidence is not valid, they do not fit together, the logits have another shape, or there
            is no such node.

    Example:
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> logits = torch.tensor([[1.0, 1.1, 0.9]])
        >>> [taxonomy.names[int(decide(logits, taxonomy, rule, confidence=c))] for rule, c in
        ...  [("leaf", None), ("confidence", 0.6), ("confidence", 0.9)]]
        ['finch', 'bird', 'animal']
    """
    if rule not in ("leaf", "cost", "confidence"):
        raise ValueError(f"rule must be 'leaf', 'cost' or 'confidence', got {rule!r}")
    if (confidence is not None) != (rule == "confidence"):
        raise ValueError(f"confidence belongs to rule='confidence' alone, got {confidence!r} for rule={rule!r}")
    logits = _restricted(logits, taxonomy, within)
    if rule == "leaf":
        return logits[:, : taxonomy.num_leaves].argmax(1)
    if rule == "cost":
        return _least_cost(logits[:, : taxonomy.num_leaves], taxonomy, within)
    if confidence is None or not 0 < confidence <= 1:
        raise ValueError(f"confidence must be above 0 and at most 1, got {confidence!r}")
    return _deepest(aggregated_log_prob(logits, taxonomy), taxonomy, confidence, within)


@torch.no_grad()
def top_k_leaves(logits: Tensor, taxonomy: Taxonomy, k: int = 5, *, within: Node | None = None) -> TopLeaves:
    """The k likeliest leaves of every row.

    Args:
        logits: see `decide`.
        taxonomy: tree, forest or DAG.
        k: from 1 to the number of leaves, with `within` of the leaves below it.
        within: see `decide`.

    Returns:
        Log-probabilities and labels, best first.

    Raises:
        ValueError: k is out of range, the logits have another shape, or there is no such node.
    """
    most = taxonomy.num_leaves if within is None else len(taxonomy.leaves_under(within))
    if not 1 <= k <= most:
        raise ValueError(f"k must be from 1 to the {most} leaves, got {k!r}")
    log_prob = aggregated_log_prob(_restricted(logits, taxonomy, within), taxonomy)
    return TopLeaves(*log_prob[:, : taxonomy.num_leaves].topk(k, 1))


def _restricted(logits: Tensor, taxonomy: Taxonomy, within: Node | None) -> Tensor:
    """Logits that are -inf outside a node and what is below it."""
    head_of(logits, taxonomy)
    if within is None:
        return logits
    outside = ~_clade(taxonomy, within, logits.device)[: logits.shape[1]]
    return logits.masked_fill(outside, -torch.inf)


def _clade(taxonomy: Taxonomy, node: Node, device: torch.device) -> Tensor:
    """(N,) whether each node is this one or below it."""
    inside = np.zeros(len(taxonomy), dtype=bool)
    inside[taxonomy.nodes(node)] = True
    inside[taxonomy.descendants(node)] = True
    return torch.from_numpy(inside).to(device)


def _least_cost(leaf_logits: Tensor, taxonomy: Taxonomy, within: Node | None) -> Tensor:
    log_prob = cached_aggregation(taxonomy, "leaves", leaf_logits.device)(leaf_logits)
    gain = _tree_gain(log_prob, taxonomy) if taxonomy.is_forest else _graph_gain(log_prob, taxonomy)
    # a leaf outside the clade can be no better, but as good
    return _restricted(gain, taxonomy, within).argmax(1)


def _tree_gain(log_prob: Tensor, taxonomy: Taxonomy) -> Tensor:
    """(B, C) largest cost minus the expected cost of each leaf.

    That is the sum, over the nodes above it, of their mass times the height saved by meeting there and not one node up.
    """
    parent = torch.from_numpy(np.where(taxonomy.parent < 0, len(taxonomy), taxonomy.parent)).to(log_prob.device)
    heights = torch.from_numpy(np.r_[taxonomy.heights, taxonomy.depth + 1]).to(log_prob)
    saved = heights[parent] - heights[:-1]
    gain = torch.cat([log_prob.exp().T * saved[:, None], log_prob.new_zeros(1, len(log_prob))])
    layout = cached_aggregation(taxonomy, "leaves", log_prob.device).layout()
    for start, end, first, last in reversed(layout.levels):
        gain.index_add_(0, layout.child[first:last], gain[start:end].index_select(0, layout.place[first:last]))
    return gain[: taxonomy.num_leaves].T


def _graph_gain(log_prob: Tensor, taxonomy: Taxonomy) -> Tensor:
    """(B, C) minus the expected cost of each leaf, from blocks of the matrix of costs."""
    probability = log_prob[:, : taxonomy.num_leaves].exp()
    costs = taxonomy.distance_matrix()
    blocks = [
        -probability @ torch.from_numpy(costs[:, first : first + _BLOCK]).to(probability)
        for first in range(0, taxonomy.num_leaves, _BLOCK)
    ]
    return torch.cat(blocks, 1)


def _deepest(log_prob: Tensor, taxonomy: Taxonomy, confidence: float, within: Node | None) -> Tensor:
    """Deepest node of a probability, the likeliest of those."""
    # rounding must not put a sum of everything below a confidence of 1
    certain = log_prob >= np.log(confidence) - 4 * torch.finfo(log_prob.dtype).eps
    if within is not None:
        certain &= _clade(taxonomy, within, certain.device)
    depth = torch.from_numpy(taxonomy.depths.copy()).to(log_prob.device)
    reached = torch.where(certain, depth, -1).amax(1, keepdim=True)
    best = torch.where(certain & (depth == reached), log_prob, -torch.inf).argmax(1)
    return torch.where(reached[:, 0] < 0, -1, best)
