"""Scores of embeddings under the names of the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hyperdml.metrics import retrieval_report


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
        "R@k" for every k, "MAP@R", and "<level>@1" for every level above the class; shares in [0, 1].
    """
    report = retrieval_report(points, labels, ks=ks, levels=levels, level_names=level_names, c=c, metric=metric)
    figures = {f"R@{k}": value for k, value in report.recall.items()}
    figures["MAP@R"] = report.map_at_r
    return figures | {f"{name}@1": report.level_recall[name] for name in reversed(level_names[:-1])}
