"""The hierarchical triplet loss: a triplet loss whose margin depends on a tree of classes."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning.distances import BaseDistance, LpDistance
from pytorch_metric_learning.losses import BaseMetricLossFunction
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from torch import Tensor

from hyperdml.integrations.baselines.class_tree import build_class_tree, class_distances


class HierarchicalTripletLoss(BaseMetricLossFunction):
    """Hierarchical triplet loss, HTL (Ge et al., "Deep metric learning with hierarchical triplet loss", ECCV 2018).

    >>> loss = HierarchicalTripletLoss(num_classes=4)
    >>> train_set, classes = torch.randn(24, 8), torch.arange(24) % 4
    >>> loss.update_tree(train_set, classes)  # before training and after every epoch
    >>> value = loss(train_set[:12], classes[:12])

    Over the Z triplets of a batch ::

        1 / (2 Z) sum [d(a, p) - d(a, n) + alpha]_+,    alpha = beta + d_H(y_a, y_n) - s_(y_a)

    where d_H is the threshold of the level on which the class tree merges the classes of a and n, and s the mean
    distance within the class of a. Classes that the tree keeps apart for long get a large margin, similar ones a small
    one.

    Different from the paper or not told by it:

    - It prints plain norms in the loss but squared ones in the tree, with thresholds up to 4; margins of that size fit
      squared distances of unit vectors, so `distance` (default ``LpDistance(power=2)``) serves both here.
    - It does not say how far apart merged nodes are: average linkage over classes here.
    - Its batches (anchor neighbourhood sampling: seed classes with their nearest classes) are a matter of the sampler
      and not in here; any batch with at least two samples of a class will do.
    - A class with one sample has s = 0.

    Args:
        num_classes: number of classes C; the tree takes C x C bytes, in memory and in the state.
        beta: constant part of the margin, 0.1 in the paper.
        levels: number of levels L of the tree, 16 in the paper.
        largest: largest distance that two embeddings can have: 4 for squared distances of unit vectors, 4 clip_r for
            `PoincareDistance`.
        triplets_per_anchor: "all", or a number drawn at random.
        pml_options: options of `BaseMetricLossFunction`; `distance` must not be a similarity.

    Raises:
        ValueError: an argument is out of range.
    """

    level: Tensor
    thresholds: Tensor
    spread: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        beta: float = 0.1,
        levels: int = 16,
        largest: float = 4.0,
        triplets_per_anchor: int | str = "all",
        **pml_options: Any,
    ) -> None:
        super().__init__(**pml_options)
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        if not 1 <= levels <= 255:
            raise ValueError(f"levels must be 1 to 255, got {levels}")
        if not largest > 0:
            raise ValueError(f"largest must be positive, got {largest!r}")
        if self.distance.is_inverted:
            raise ValueError(f"distance must be a distance, {type(self.distance).__name__} is a similarity")
        self.num_classes = num_classes
        self.beta = beta
        self.largest = largest
        self.triplets_per_anchor = triplets_per_anchor
        self.register_buffer("level", torch.zeros(num_classes, num_classes, dtype=torch.uint8))
        self.register_buffer("thresholds", torch.full((levels + 1,), torch.nan))
        self.register_buffer("spread", torch.zeros(num_classes))
        self._has_tree = False
        self.add_to_recordable_attributes(list_of_names=["num_classes", "beta", "largest"], is_stat=False)

    @torch.no_grad()
    def update_tree(self, embeddings: Tensor, labels: Tensor) -> None:
        """Build the class tree from the embeddings of the training set; the paper does so after every epoch.

        Args:
            embeddings: (N, d) embeddings; their N x N distances are computed where the loss is.
            labels: (N,) classes, 0 to num_classes - 1, each present.

        Raises:
            ValueError: the labels do not fit, or classes are so wide that no level lies above them.
        """
        embeddings, labels = embeddings.to(self.level.device), labels.to(self.level.device)
        between = class_distances(embeddings, labels, self.num_classes, self.distance)
        singles = torch.bincount(labels, minlength=self.num_classes) == 1
        tree = build_class_tree(between, singles, len(self.thresholds) - 1, self.largest)
        for name, value in tree._asdict().items():
            getattr(self, name).copy_(value)
        self._has_tree = True

    def margins(self, anchors: Tensor, negatives: Tensor) -> Tensor:
        """Violate margins alpha of classes: ``beta + thresholds[level[a, n]] - spread[a]``.

        Args:
            anchors: (T,) classes of the anchors.
            negatives: (T,) classes of the negatives.

        Returns:
            (T,) margins.
        """
        return self.beta + self.thresholds[self.level[anchors, negatives].long()] - self.spread[anchors]

    def compute_loss(
        self,
        embeddings: Tensor,
        labels: Tensor | None,
        indices_tuple: Any,
        ref_emb: Tensor,
        ref_labels: Tensor | None,
    ) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning: one hinge a triplet.

        Raises:
            ValueError: labels are missing, or there is no tree yet.
        """
        if labels is None or ref_labels is None:
            raise ValueError("HierarchicalTripletLoss needs labels")
        if not self._has_tree:
            if bool(self.thresholds.isnan().any()):  # a tree can also come with a state
                raise ValueError("the loss has no class tree yet: call update_tree(embeddings, labels) first")
            self._has_tree = True
        anchor, positive, negative = lmu.convert_to_triplets(
            indices_tuple, labels, ref_labels, t_per_anchor=self.triplets_per_anchor
        )
        if not len(anchor):
            return self.zero_losses()
        matrix = self.distance(embeddings, ref_emb)
        alpha = self.margins(labels[anchor], ref_labels[negative])
        hinge = (matrix[anchor, positive] - matrix[anchor, negative] + alpha).relu()
        return {
            "loss": {"losses": hinge / 2, "indices": (anchor, positive, negative), "reduction_type": "triplet"},
        }

    def get_default_distance(self) -> BaseDistance:
        """Squared Euclidean distance of normalised embeddings."""
        return LpDistance(power=2)
