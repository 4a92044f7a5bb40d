"""Triplets of mutual nearest neighbours, as a miner of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning.miners import BaseMiner
from torch import Tensor

from hyperdml.hier.sampling import sample_triplets
from hyperdml.integrations.poincare_distance import PoincareDistance
from hyperdml.neighbors import reciprocal_mask


class ReciprocalNeighborMiner(BaseMiner):
    """Triplets (anchor, k-reciprocal neighbour, other point), drawn without labels as HIER draws its own.

    >>> from pytorch_metric_learning import losses
    >>> miner = ReciprocalNeighborMiner(k=4, distance=PoincareDistance(embeddings="tangent"))
    >>> embeddings = torch.randn(32, 8)
    >>> loss = losses.TripletMarginLoss(margin=1.0, distance=miner.distance)
    >>> value = loss(embeddings, indices_tuple=miner(embeddings))

    Two points are related if each is among the other's k nearest (Kim et al., HIER, CVPR 2023; k-reciprocal
    neighbours: Qin et al., CVPR 2011). Positives are drawn uniformly among the related points of an anchor, negatives
    among the rest, independently and with replacement; an anchor needs two related points. The result may be empty.

    Relatedness belongs to one set of points: a `ref_emb` is refused. In a distributed run mine on the joined batch
    (`GatheredLoss`, or `DistributedMinerWrapper` with efficient=False).

    Args:
        k: neighbours per point, itself not counted; more than there are counts as all.
        triplets_per_anchor: triplets per anchor.
        agree_with_labels: drop triplets that contradict the labels: a positive of another class than the anchor's, or
            a negative of the same class.
        generator: source of the draws; None uses torch's global state.
        pml_options: options of `BaseMiner`: `distance` (default `PoincareDistance()`; any distance or similarity of
            the library will do) and `collect_stats`.

    Raises:
        ValueError: k or triplets_per_anchor is below 1.
    """

    def __init__(
        self,
        k: int = 20,
        triplets_per_anchor: int = 10,
        *,
        agree_with_labels: bool = False,
        generator: torch.Generator | None = None,
        **pml_options: Any,
    ) -> None:
        super().__init__(**pml_options)
        for name, value in (("k", k), ("triplets_per_anchor", triplets_per_anchor)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.k = k
        self.triplets_per_anchor = triplets_per_anchor
        self.agree_with_labels = agree_with_labels
        self.generator = generator
        self.add_to_recordable_attributes(list_of_names=["k", "triplets_per_anchor"], is_stat=False)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mine a batch.

        Args:
            embeddings: (N, d) embeddings.
            labels: (N,) labels, used with `agree_with_labels` alone.
            ref_emb: must be None.
            ref_labels: must be None.

        Returns:
            Three (T,) int64 index tensors: anchors, positives, negatives.

        Raises:
            ValueError: a reference set is given, or labels are missing where they are needed.
        """
        if ref_emb is not None and ref_emb is not embeddings:
            raise ValueError("ReciprocalNeighborMiner takes no ref_emb: reciprocity is a relation within one batch")
        if labels is None:
            if self.agree_with_labels:
                raise ValueError("agree_with_labels=True needs labels")
            labels = torch.arange(len(embeddings), device=embeddings.device)
        triplets: tuple[Tensor, Tensor, Tensor] = super().forward(embeddings, labels)
        return triplets

    def mine(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor, ref_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Index tensors of the triplets."""
        matrix = self.distance(embeddings)
        similarity = matrix if self.distance.is_inverted else -matrix
        # first among its own neighbours, also beside a duplicate
        similarity.fill_diagonal_(torch.inf)
        mask = reciprocal_mask(similarity, self.k + 1)
        triplets = sample_triplets(mask, self.triplets_per_anchor, self.generator)
        if self.agree_with_labels:
            a, p, n = labels[triplets].unbind(1)
            triplets = triplets[(a == p) & (a != n)]
        anchor, positive, negative = triplets.unbind(1)
        return anchor, positive, negative

    def get_default_distance(self) -> PoincareDistance:
        """The Poincaré distance of curvature -0.1 between points of the ball."""
        return PoincareDistance()
