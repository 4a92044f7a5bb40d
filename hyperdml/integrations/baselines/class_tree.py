"""The tree of classes of the hierarchical triplet loss: mean distances between classes, merged level by level."""

from __future__ import annotations

from typing import NamedTuple

import torch
from pytorch_metric_learning.distances import BaseDistance
from torch import Tensor

from hyperdml.geometry.maps import upcast

CHUNK = 1024  # rows of the distance matrix held at a time


class ClassTree(NamedTuple):
    """Levels of a class tree.

    Attributes:
        level: (C, C) level on which two classes are merged, 0 to L.
        thresholds: (L + 1,) merging threshold of each level.
        spread: (C,) mean distance within a class; 0 for a class with one sample.
    """

    level: Tensor
    thresholds: Tensor
    spread: Tensor


def class_distances(embeddings: Tensor, labels: Tensor, num_classes: int, distance: BaseDistance) -> Tensor:
    """Mean distance between the samples of every two classes, and within every class.

    ``d(p, q) = 1 / (n_p n_q) sum_ij d(r_i, r_j)``, and ``1 / (n_p^2 - n_p)`` in place of ``1 / n_p^2`` for p = q
    (Ge et al., ECCV 2018).

    Args:
        embeddings: (N, d) embeddings of a training set; N x N distances are visited, never held.
        labels: (N,) classes, 0 to num_classes - 1, each present.
        num_classes: number of classes C.
        distance: a distance of the library, not a similarity.

    Returns:
        (C, C) mean distances; 0 on the diagonal for a class with one sample.

    Raises:
        ValueError: a label is out of range, or a class has no sample.
    """
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
        raise ValueError(f"labels must be 0 to {num_classes - 1}, got {int(labels.min())} to {int(labels.max())}")
    counts = torch.bincount(labels, minlength=num_classes)
    missing = (counts == 0).nonzero()[:, 0].tolist()
    if missing:
        raise ValueError(f"every class needs a sample; {len(missing)} have none, the first is {missing[0]}")
    embeddings = upcast(embeddings)
    sums = embeddings.new_zeros(num_classes, num_classes)
    for start in range(0, len(embeddings), CHUNK):
        rows = slice(start, start + CHUNK)
        block = distance(embeddings[rows], embeddings)
        to_classes = block.new_zeros(len(block), num_classes).index_add_(1, labels, block)
        sums.index_add_(0, labels[rows], to_classes)
    pairs = counts[:, None] * counts - counts.diag()
    return sums / pairs.clamp_min(1)


def build_class_tree(between: Tensor, singles: Tensor, levels: int, largest: float) -> ClassTree:
    """Merge classes level by level.

    Level l has the threshold ``d_l = d_0 + l (largest - d_0) / L``, where d_0 is the mean of the distances within
    classes. Two classes are merged on the first level whose threshold exceeds the distance at which average linkage
    joins them, on the last level at the latest.

    Args:
        between: (C, C) mean distances of `class_distances`, C at least 2.
        singles: (C,) bool, classes with one sample, which have no distance within.
        levels: number of levels L above the classes.
        largest: largest distance that two embeddings can have.

    Returns:
        The tree.

    Raises:
        ValueError: all classes have one sample, or d_0 is not below `largest`.
    """
    from scipy.cluster.hierarchy import cophenet, linkage
    from scipy.spatial.distance import squareform

    if bool(singles.all()):
        raise ValueError("the tree needs a class with at least two samples")
    spread = between.diagonal()
    start = float(spread[~singles].mean())
    if start >= largest:
        raise ValueError(f"the mean distance within classes is {start:.4g}; largest={largest:g} must exceed it")
    thresholds = torch.linspace(start, largest, levels + 1, dtype=between.dtype)
    apart = between.cpu().double().clone().fill_diagonal_(0)
    apart = (apart + apart.T) / 2  # exact symmetry, which rounding of the sums can miss by a bit
    joined = cophenet(linkage(squareform(apart.numpy(), checks=False), "average"))
    merged = torch.from_numpy(squareform(joined))
    level = torch.searchsorted(thresholds.double(), merged, right=True).clamp_max(levels).fill_diagonal_(0)
    return ClassTree(level.to(between.device, torch.uint8), thresholds.to(between.device), spread)
