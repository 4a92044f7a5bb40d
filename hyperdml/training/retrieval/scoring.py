"""What is measured of an arm's points: retrieval figures, radii, trees."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.data import RetrievalPart
from hyperdml.hier import fit_proxies
from hyperdml.hier.fit import LEVELS
from hyperdml.metrics import RadiusReport, radius_report
from hyperdml.metrics.labels import Labels
from hyperdml.seeds import derive_seed
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.evaluate import score
from hyperdml.training.retrieval.result import FITTED, LEARNED, TreeRow
from hyperdml.tree import proxy_tree_report


def score_part(config: TrainConfig, points: Tensor, part: RetrievalPart) -> dict[str, float]:
    """Retrieval figures of one part of the data, in hyperbolic distance."""
    return score(
        points,
        part.labels,
        part.levels,
        part.level_names,
        config.evaluation.ks,
        config.model.head.c,
        queries=part.queries,
        gallery=part.gallery,
    )


def radii(config: TrainConfig, points: Tensor, proxies: Tensor | None, labels: Labels) -> RadiusReport:
    """Radius report under the run's curvature, clipping radius and seed."""
    head = config.model.head
    generator = _generator(config, "radius report")
    return radius_report(points, proxies, c=head.c, clip_r=head.clip_r, labels=labels, generator=generator)


def tree_rows(
    title: str,
    config: TrainConfig,
    points: Tensor,
    part: RetrievalPart,
    proxies: Tensor | None,
    train_points: Tensor,
) -> tuple[TreeRow, ...]:
    """Scores of the tree of the learned proxies, if there are any, and of k-means on the training embeddings.

    Args:
        title: of the arm.
        config: of the arm.
        points: (N, d) points of the part.
        part: the images that the trees are scored on.
        proxies: (P, d) learned proxies on the ball, or None.
        train_points: (M, d) points of the training images.
    """
    candidates = {} if proxies is None else {LEARNED: proxies}
    c = config.model.head.c
    levels = [size for size in config.hier.levels or LEVELS if size <= len(train_points)]
    if levels:
        candidates[FITTED] = fit_proxies(train_points, levels, c=c, seed=derive_seed(config.seed, "fitted proxies"))
    return tuple(
        TreeRow(
            title,
            source,
            proxy_tree_report(
                points,
                candidate,
                part.levels,
                part.level_names,
                c=c,
                draws=config.evaluation.draws,
                generator=_generator(config, "tree nulls"),
            ),
        )
        for source, candidate in candidates.items()
    )


def _generator(config: TrainConfig, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(config.seed, purpose))
