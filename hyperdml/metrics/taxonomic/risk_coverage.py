"""Risk and coverage over the hierarchy: what is given up in detail for being right more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.metrics.taxonomic.ancestry import ancestry
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints

_SLACK = 4 * float(torch.finfo(torch.float32).eps)  # of a log-probability, as in `decide`
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """Correctness and specificity of the deepest node above a confidence; see `risk_coverage`.

    Attributes:
        confidence: (T,) float64 thresholds.
        correctness: (T,) float64 share of right answers.
        specificity: (T,) float64 mean information of the answers, from 0 (a root) to 1 (a leaf).
        area: under correctness as a function of specificity, from 0 to 1.
    """

    confidence: Tensor
    correctness: Tensor
    specificity: Tensor
    area: float


def risk_coverage(
    nodes: Tensor, log_prob: Tensor, top1: Tensor, labels: Tensor, taxonomy: Taxonomy, confidences: Sequence[float]
) -> RiskCoverage:
    """Answers of ``decide(rule="confidence")`` (Deng et al., Hedging Your Bets, CVPR 2012) at all confidences at once.

    The answer at confidence t is the likeliest node of the greatest depth that has a node of probability t. So the
    likeliest node of each depth decides for every t, and a sample's answer changes at no more values of t than it has
    depths: sorted, the changes of all samples add up to the whole curve.

    An answer is right if it is the label or above it (for a label at an inner node, also below it). Its specificity is
    ``log2(C / leaves below it) / log2(C)``, the information it gives about the leaf; no answer, in a forest, is right
    and gives none. The area is taken over confidences from 1 to 0.5, above which the answers of a tree lie on one path,
    with straight lines from there to the likeliest leaf (specificity 1) and from the most cautious answers to none.

    Args:
        nodes: (B, D) the likeliest node of every depth, 0, ..., D - 1.
        log_prob: (B, D) their aggregated log-probabilities.
        top1: (B,) likeliest leaves.
        labels: (B,) nodes.
        taxonomy: tree, forest or DAG.
        confidences: above 0, at most 1.

    Raises:
        ValueError: a confidence is out of range.
    """
    at = np.array(confidences, dtype=np.float64)
    if at.ndim != 1 or not ((at > 0) & (at <= 1)).all():
        raise ValueError(f"confidences must be numbers above 0, at most 1, got {list(confidences)}")
    node, label = nodes.numpy(), labels.numpy()
    # the probability down to which a depth, or one below it, has an answer
    reach = log_prob.double().flip(1).cummax(1).values.flip(1).numpy() + _SLACK
    values = np.stack([compatible(node, label[:, None], taxonomy).astype(np.float64), information(taxonomy)[node]])
    changes = np.diff(values, axis=2, prepend=np.broadcast_to([[[1.0]], [[0.0]]], (2, len(label), 1)))
    order = np.argsort(-reach, axis=None)
    down = -reach.ravel()[order]
    sums = np.zeros((2, len(order) + 1))
    np.cumsum(changes.reshape(2, -1)[:, order], axis=1, out=sums[:, 1:])

    def curve(thresholds: Floats) -> Floats:
        """(2, T) mean correctness and specificity."""
        reached = np.searchsorted(down, -thresholds, side="right")
        return sums[:, reached] / len(label) + np.array([[1.0], [0.0]])

    half = np.log(0.5)
    changing = np.unique(np.concatenate([-down[-down >= half], [0.0, half]]))
    last = compatible(top1.numpy(), label, taxonomy).mean()
    correct, specific = np.concatenate([[[1.0], [0.0]], curve(changing[::-1]), [[last], [1.0]]], axis=1)
    area = (np.diff(specific) * (correct[1:] + correct[:-1]) / 2).sum()
    correctness, specificity = (torch.from_numpy(part.copy()) for part in curve(np.log(at)))
    return RiskCoverage(torch.from_numpy(at), correctness, specificity, float(area))


def compatible(nodes: Ints, labels: Ints, taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """Whether nodes and labels, of shapes that broadcast, lie on one path: one is the other or above it."""
    above = ancestry(taxonomy)
    return above.at_or_above(nodes, labels) | above.at_or_above(labels, nodes)


def information(taxonomy: Taxonomy) -> Floats:
    """(N,) ``log2(C / leaves below) / log2(C)`` of every node: 0 for a root above all leaves, 1 for a leaf."""
    if taxonomy.num_leaves == 1:
        return np.ones(len(taxonomy))
    share: Floats = np.log2(taxonomy.leaf_closure.counts) / np.log2(taxonomy.num_leaves)
    return 1 - share
