"""Scores of embeddings under the names of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.query_gallery import check_masks, search_rows
from hyperdml.metrics import GradedReport, graded_report, level_recall_at_k, map_at_r, recall_at_k, retrieval_report

Values = Tensor | np.ndarray


def score(
    points: Tensor,
    labels: Values,
    levels: Values,
    level_names: Sequence[str],
    ks: Sequence[int],
    c: float,
    metric: str = "hyperbolic",
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
) -> dict[str, float]:
    """Retrieval figures as a flat record for tables and files: leave-one-out, or of queries against a gallery.

    With masks the queries are searched for in the gallery, where nothing is left out (In-Shop); where all queries are
    in the gallery, each is left out of its own neighbours. All figures are those of the queries.

    Args:
        points: (N, d) points of the ball.
        labels: (N,) classes.
        levels: (N, L) ids, coarse to fine.
        level_names: L names.
        ks: the k of Recall@k.
        c: curvature magnitude.
        metric: "hyperbolic", "cosine" or "euclidean".
        queries: (N,) bool, which points ask, or None for leave-one-out.
        gallery: (N,) bool, which points are searched.

    Returns:
        "R@k" for every k, "MAP@R", and where there are levels above the class "<level>@1" and "<level> MAP@R" for each
        of them and "H-AP"; shares in [0, 1].

    Raises:
        ValueError: see `check_masks` of `hyperdml.data.query_gallery` and the functions of `hyperdml.metrics`.
    """
    check_masks(queries, gallery, len(points))
    if queries is None or gallery is None:
        report = retrieval_report(points, labels, ks=ks, levels=levels, level_names=level_names, c=c, metric=metric)
        graded = graded_report(points, levels, level_names, c, metric) if len(level_names) > 1 else None
        return _figures(report.recall, report.map_at_r, report.level_recall, graded, level_names)
    rows = search_rows(queries, gallery)
    asked, searched = torch.from_numpy(rows.queries), torch.from_numpy(rows.gallery)
    own, among = points[asked.to(points.device)], points[searched.to(points.device)]
    classes, ids = torch.as_tensor(labels), torch.as_tensor(levels)
    inside = rows.includes_queries
    flat = (classes[asked], ks, c, metric, among, classes[searched])
    recall = recall_at_k(own, *flat, ref_includes_query=inside)
    precision = map_at_r(own, flat[0], *flat[2:], ref_includes_query=inside)
    if len(level_names) < 2:
        return _figures(recall, precision, {}, None, level_names)
    above = (c, metric, among, ids[searched])
    first = level_recall_at_k(own, ids[asked], (1,), *above, ref_includes_query=inside)
    nearest = {name: at[1] for name, at in zip(level_names, first, strict=True)}
    graded = graded_report(own, ids[asked], level_names, *above, ref_includes_query=inside)
    return _figures(recall, precision, nearest, graded, level_names)


def _figures(
    recall: Mapping[int, float],
    precision: float,
    nearest: Mapping[str, float],
    graded: GradedReport | None,
    level_names: Sequence[str],
) -> dict[str, float]:
    figures = {f"R@{k}": value for k, value in recall.items()} | {"MAP@R": precision}
    if graded is not None:
        coarse = level_names[-2::-1]
        figures |= {f"{name}@1": nearest[name] for name in coarse}
        figures |= {f"{name} MAP@R": graded.map_at_r[name] for name in coarse}
        figures["H-AP"] = graded.hap
    return figures
