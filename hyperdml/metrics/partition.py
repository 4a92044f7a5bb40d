"""Information in groupings of the same items."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def entropy(counts: Tensor) -> float:
    """``-sum p log p`` in nats of (K,) counts, p their shares; empty groups add nothing."""
    share = counts[counts > 0].double() / counts.sum()
    return float(-(share * share.log()).sum())


def normalized_mutual_information(left: Tensor, right: Tensor) -> float:
    """``2 I(A; B) / (H(A) + H(B))`` of two (N,) integer groupings (arithmetic mean, as scikit-learn's default).

    Returns:
        A number in [0, 1]; 1 if both are one single group.
    """
    counts = [ids.unique(return_counts=True, dim=0)[1] for ids in (left, right, torch.stack([left, right], 1))]
    first, second, joint = map(entropy, counts)
    return 1.0 if first == second == 0 else min(1.0, max(0.0, 2 * (first + second - joint) / (first + second)))


def usage_entropy(counts: Tensor) -> float:
    """`entropy` of (P,) counts as a share of its largest value log P: 1 if all are equal, also for P = 1."""
    return entropy(counts) / math.log(len(counts)) if len(counts) > 1 else 1.0


def adjusted_mutual_information(left: Tensor, right: Tensor) -> float:
    """``(I - E[I]) / ((H(A) + H(B)) / 2 - E[I])`` of two (N,) integer groupings, E over random ones of the same sizes.

    Vinh, Epps and Bailey, JMLR 2010; computed by scikit-learn.

    Returns:
        At most 1, which equal groupings reach; about 0 for independent ones.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(left.numpy(), right.numpy()))
