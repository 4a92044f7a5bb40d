"""How near classes are to each other, and whether those of one super-class are nearer than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.geometry import pairwise_distance
from hyperdml.geometry.midpoints import lorentz_centroids
from hyperdml.metrics.trees.nulls import Score, compare
from hyperdml.seeds import derive_seed
from hyperdml.viz.groups import Groups

Measure = Literal["distance", "cosine"]
_DRAWS = 20
_NULL = "super-classes shuffled"


@dataclass(frozen=True)
class AffinityScores:
    """What an affinity matrix says about super-classes, each figure beside super-classes shuffled among the classes.

    Attributes:
        contrast: mean affinity within super-classes less that between them, in standard deviations of all affinities.
        nearest: share of the classes whose nearest class is of their super-class, among those that share it with
            another class.
    """

    contrast: Score
    nearest: Score


def class_affinity(embeddings: EmbeddingSet, classes: Groups, measure: Measure) -> np.ndarray:
    """(C, C) affinities of classes.

    Args:
        embeddings: the points.
        classes: their classes, from 0 to C - 1.
        measure: "distance", ``-d_H`` of the Einstein midpoints of the classes; "cosine" of the means of their points.

    Returns:
        A symmetric float64 matrix; its diagonal is the largest affinity there is, 0 or 1.
    """
    points, ids = embeddings.points.detach().cpu().double(), torch.from_numpy(classes.ids)
    count = len(classes.names)
    if measure == "distance":
        midpoints, _ = lorentz_centroids(points, ids, count, embeddings.c)
        found = -pairwise_distance(midpoints, midpoints, embeddings.c)
    else:
        means = torch.zeros(count, points.shape[1], dtype=points.dtype).index_add_(0, ids, points)
        means = torch.nn.functional.normalize(means)
        found = means @ means.T
    matrix: np.ndarray = ((found + found.T) / 2).numpy()
    np.fill_diagonal(matrix, 0.0 if measure == "distance" else 1.0)
    return matrix


def affinity_scores(affinity: np.ndarray, groups: np.ndarray, seed: int = 0) -> AffinityScores:
    """Judge a matrix by super-classes.

    Args:
        affinity: (C, C) of `class_affinity`; the diagonal does not count.
        groups: (C,) super-class of each class.
        seed: of the 20 shuffles.

    Raises:
        ValueError: no two classes share a super-class, or all do.
    """
    same = groups[:, None] == groups
    off = ~np.eye(len(groups), dtype=bool)
    if not (same & off).any() or same.all():
        raise ValueError("affinities within and between super-classes need two classes in one, and two super-classes")
    rng = np.random.default_rng(derive_seed(seed, "super-classes shuffled"))
    nearest = np.where(off, affinity, -np.inf).argmax(1)
    values = _figures(affinity, nearest, groups, off)
    draws = [_figures(affinity, nearest, rng.permutation(groups), off) for _ in range(_DRAWS)]
    contrast, share = (
        Score(value, {_NULL: compare(value, null)})
        for value, null in zip(values, zip(*draws, strict=True), strict=True)
    )
    return AffinityScores(contrast, share)


def class_order(affinities: Sequence[np.ndarray], groups: np.ndarray) -> np.ndarray:
    """Order of the classes for pictures: by super-class, within it by average linkage.

    Several matrices of the same classes get one order, from the mean of their standardised affinities, so that it
    favours none of them.

    Args:
        affinities: (C, C) matrices.
        groups: (C,) super-class of each class, from 0.

    Returns:
        (C,) indices of classes.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    mean = np.mean([(matrix - matrix.mean()) / max(matrix.std(), 1e-300) for matrix in affinities], 0)
    order = []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero(groups == group)
        if len(members) > 2:
            apart = mean.max() - mean[np.ix_(members, members)]
            np.fill_diagonal(apart, 0)
            members = members[leaves_list(linkage(squareform(apart, checks=False), "average", optimal_ordering=True))]
        order.append(members)
    return np.concatenate(order)


def _figures(affinity: np.ndarray, nearest: np.ndarray, groups: np.ndarray, off: np.ndarray) -> tuple[float, float]:
    same = (groups[:, None] == groups) & off
    spread = affinity[off].std()
    contrast = (affinity[same].mean() - affinity[off & ~same].mean()) / spread if spread > 0 else 0.0
    shared = same.any(1)
    return float(contrast), float((groups[nearest] == groups)[shared].mean())
