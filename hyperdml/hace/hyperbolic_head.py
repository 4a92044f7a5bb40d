"""Prototypes of nodes in the Poincaré ball: logits are negative distances."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hyperdml.geometry import ToPoincare, curvature_of, pairwise_distance
from hyperdml.geometry.curvature import Curvature
from hyperdml.hace.aggregation import Aggregation, Head
from hyperdml.hier.meaning import KeepsMeaning
from hyperdml.taxonomy import Taxonomy


class HyperbolicTaxonomyHead(KeepsMeaning):
    """``logits[b, v] = -scale d(x_b, p_v)`` with a learned prototype p_v in the ball for every node, or every leaf.

    For the embeddings that a metric loss and HIER work on. d is the geodesic distance. Prototypes are tangent vectors
    at the origin, mapped by `ToPoincare` at every step, so that any optimiser trains them; they start at random
    directions, the deeper the node the farther out. Within the clipping radius distances are at most 4 clip_r, which
    bounds the confidence of the softmax; the scale, learned as its logarithm, lifts that.

    Args:
        in_features: dimension d of the ball.
        taxonomy: tree, forest or DAG.
        c: curvature magnitude, or a `geoopt.PoincareBall`; a learnable one is shared and trained.
        clip_r: clipping radius of the prototypes, and of the features if they are given as tangent vectors.
        head: "all_nodes", or "leaves"; the losses take the same argument.
        embeddings: "ball" if `forward` gets points of the ball, "tangent" if it gets Euclidean features.
        scale: where the scale starts.

    Attributes:
        names: name of every output.
        prototypes: (N, d) or (C, d) parameter, tangent vectors.
        log_scale: parameter.

    Raises:
        ValueError: an argument is not valid.
    """

    def __init__(
        self,
        in_features: int,
        taxonomy: Taxonomy,
        c: Curvature = 0.1,
        clip_r: float = 2.3,
        head: Head = "all_nodes",
        embeddings: Literal["ball", "tangent"] = "ball",
        scale: float = 4.0,
    ) -> None:
        super().__init__()
        if embeddings not in ("ball", "tangent"):
            raise ValueError(f"embeddings must be 'ball' or 'tangent', got {embeddings!r}")
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"scale must be positive and finite, got {scale!r}")
        self.taxonomy, self.embeddings = taxonomy, embeddings
        self.aggregation = Aggregation(taxonomy, head)
        self.names = taxonomy.names[: self.aggregation.width]
        self.to_ball = ToPoincare(c, clip_r)
        self.clip_r = clip_r
        depth = torch.from_numpy(taxonomy.depths[: len(self.names)] + 1.0)
        directions = nn.functional.normalize(torch.randn(len(self.names), in_features), dim=1)
        self.prototypes = nn.Parameter(directions * (0.9 * clip_r * depth / depth.max()).float()[:, None])
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, d) embeddings to (B, N) or (B, C) logits.

        Raises:
            ValueError: the embeddings have another width.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.prototypes.shape[1]:
            raise ValueError(f"expected (B, {self.prototypes.shape[1]}) embeddings, got {tuple(embeddings.shape)}")
        points = self.to_ball(embeddings) if self.embeddings == "tangent" else embeddings
        return -self.log_scale.exp() * pairwise_distance(points, self.to_ball(self.prototypes), self.to_ball.c)

    def log_prob(self, embeddings: Tensor) -> Tensor:
        """(B, N) log-probabilities at or below every node, in the order of `taxonomy.names`."""
        log_prob: Tensor = self.aggregation(self(embeddings))
        return log_prob

    def prototypes_on_ball(self) -> Tensor:
        """The prototypes as points of the ball."""
        points: Tensor = self.to_ball(self.prototypes)
        return points

    def meaning(self) -> dict[str, Any]:
        """What the prototypes mean."""
        return {
            "taxonomy": self.taxonomy.hash,
            "head": self.aggregation.head,
            "c": curvature_of(self.to_ball.c) if self.to_ball.ball is None else "learned",
            "clip_r": self.clip_r,
        }
