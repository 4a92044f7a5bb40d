"""Scores of embeddings under the names of the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hyperdml.metrics import graded_report, retrieval_report


def score(
    points: Tensor,
    labels: Tensor | np.ndarray,
    levels: Tensor | np.ndarray,
    level_names: Sequence[str],
    ks: Sequence[int],
    c: float,
    metric: str = "hyperbolic",
) -> dict[str, float]:
    """Retrieval figures, leave-one-out, as a flat record for tables and files.

    Args:
        points: (N, d) points of the ball.
        labels: (N,) classes.
        levels: (N, L) ids, coarse to fine.
        level_names: L names.
        ks: the k of Recall@k.
        c: curvature magnitude.
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        "R@k" for every k, "MAP@R", and where there are levels above the class "<level>@1" and "<level> MAP@R" for each
        of them and "H-AP"; shares in [0, 1].
    """
    report = retrieval_report(points, labels, ks=ks, levels=levels, level_names=level_names, c=c, metric=metric)
    figures = {f"R@{k}": value for k, value in report.recall.items()}
    figures["MAP@R"] = report.map_at_r
    coarse = level_names[-2::-1]
    if coarse:
        graded = graded_report(points, levels, level_names, c=c, metric=metric)
        figures |= {f"{name}@1": report.level_recall[name] for name in coarse}
        figures |= {f"{name} MAP@R": graded.map_at_r[name] for name in coarse}
        figures["H-AP"] = graded.hap
    return figures
