"""The pairwise cross-entropy loss of Hyp-ViT, hyperbolic or spherical."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning.losses import BaseMetricLossFunction
from pytorch_metric_learning.reducers import DivisorReducer
from pytorch_metric_learning.utils import common_functions as c_f
from torch import Tensor

from hyperdml.integrations.poincare_distance import PoincareDistance


class HypLoss(BaseMetricLossFunction):
    """Pairwise cross-entropy of "Hyperbolic Vision Transformers" (Ermolov et al., CVPR 2022).

    >>> from pytorch_metric_learning import distances
    >>> hyperbolic = HypLoss(distance=PoincareDistance(c=0.1))
    >>> spherical = HypLoss(distance=distances.CosineSimilarity())

    A sample's view is its rank among the samples of its class in the batch. For every ordered pair (a, p) of one class
    in views i and j ::

        l(a, p) = -log( e^(s(a, p)) / (e^(s(a, p)) + sum_n e^(s(a, n))) ),    s = -d / temperature

    over the samples n of other classes in views i and j. The value is the sum over the pairs divided by the number of
    classes, which for m samples of every class is that of the released code: the sum over its m (m - 1) pairs of views
    of the mean over the classes. Where classes have different numbers of samples, the smaller ones have no view i or j
    and give fewer negatives; a class with one sample gives negatives alone. With ``reducer=MeanReducer()`` the value is
    the mean over the pairs, which does not grow with m.

    Args:
        temperature: tau, 0.2 as released.
        pml_options: options of `BaseMetricLossFunction`. `distance` is the one switch between geometries: by default
            `PoincareDistance()`; a similarity of the library takes the place of -d.

    Raises:
        ValueError: the temperature is not positive.
    """

    def __init__(self, temperature: float = 0.2, **pml_options: Any) -> None:
        super().__init__(**pml_options)
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        self.temperature = temperature
        self.add_to_recordable_attributes(list_of_names=["temperature"], is_stat=False)

    def compute_loss(
        self, embeddings: Tensor, labels: Tensor | None, indices_tuple: Any, ref_emb: Tensor, ref_labels: Tensor | None
    ) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning: one cross-entropy a pair.

        Raises:
            ValueError: labels are missing, or tuples or a reference set are given: the loss forms its own pairs.
        """
        if labels is None:
            raise ValueError("HypLoss needs labels")
        c_f.indices_tuple_not_supported(indices_tuple)
        c_f.ref_not_supported(embeddings, labels, ref_emb, ref_labels)
        same = labels[:, None] == labels
        anchor, positive = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero().T
        if not len(anchor):
            return self.zero_losses()
        matrix = self.distance(embeddings)
        logits = (matrix if self.distance.is_inverted else -matrix) / self.temperature
        view = same.tril(-1).sum(1)
        in_views = (view == view[anchor, None]) | (view == view[positive, None])
        negative = logits[anchor].masked_fill(same[anchor] | ~in_views, -torch.inf)
        positives = logits[anchor, positive]
        total = torch.cat([positives[:, None], negative], 1).logsumexp(1)
        return {
            "loss": {
                "losses": total - positives,
                "indices": (anchor, positive),
                "reduction_type": "pos_pair",
                "divisor": len(labels.unique()),
            }
        }

    def get_default_distance(self) -> PoincareDistance:
        """The Poincaré distance of curvature -0.1 between points of the ball."""
        return PoincareDistance()

    def get_default_reducer(self) -> DivisorReducer:
        """Sum over the pairs, divided by the number of classes."""
        return DivisorReducer()
