"""The metrics as objects that take batches: each an `Accumulator` of the function of the same name.

All take `device` and the keyword arguments of their function, such as `c` and `metric`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from hyperdml.metrics.accumulate import Accumulator
from hyperdml.metrics.clustering import clustering_scores
from hyperdml.metrics.graded.average_precision import (
    hierarchical_average_precision,
    level_average_precision,
    level_map_at_r,
)
from hyperdml.metrics.graded.hierarchical_precision import average_hierarchical_precision, hierarchical_precision_at_k
from hyperdml.metrics.graded.lca_height import lca_height_of_errors
from hyperdml.metrics.graded.level_recall import level_recall_at_k
from hyperdml.metrics.graded.ndcg import ndcg
from hyperdml.metrics.graded.set_intersection import asi
from hyperdml.metrics.retrieval.precision import precision_at_k, r_precision
from hyperdml.metrics.retrieval.recall import map_at_r, recall_at_k
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision, mean_reciprocal_rank


class RecallAtK(Accumulator):
    """Recall@k; see `recall_at_k`.

    Example:
        >>> import torch
        >>> recall = RecallAtK(ks=(1,), c=1.0)
        >>> recall.update(torch.tensor([[0.1, 0.0], [0.2, 0.0]]), torch.tensor([0, 0]))
        >>> recall.update(torch.tensor([[-0.3, 0.0], [-0.4, 0.0]]), torch.tensor([1, 1]))
        >>> recall.compute()
        {1: 1.0}
    """

    def __init__(self, ks: Sequence[int] = (1, 2, 4, 8), **settings: Any) -> None:
        super().__init__(recall_at_k, ks=ks, **settings)


class PrecisionAtK(Accumulator):
    """Precision@k; see `precision_at_k`."""

    def __init__(self, ks: Sequence[int] = (1, 2, 4, 8), **settings: Any) -> None:
        super().__init__(precision_at_k, ks=ks, **settings)


class RPrecision(Accumulator):
    """R-precision; see `r_precision`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(r_precision, **settings)


class MAPAtR(Accumulator):
    """MAP@R; see `map_at_r`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(map_at_r, **settings)


class MAP(Accumulator):
    """Mean average precision; see `mean_average_precision`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(mean_average_precision, **settings)


class MRR(Accumulator):
    """Mean reciprocal rank; see `mean_reciprocal_rank`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(mean_reciprocal_rank, **settings)


class NMI(Accumulator):
    """Normalised mutual information of k-means clusters; see `clustering_scores`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(clustering_scores, **settings)

    def compute(self) -> float:
        """The score of all batches of all processes."""
        return float(super().compute().nmi)


class AMI(Accumulator):
    """Adjusted mutual information of k-means clusters; see `clustering_scores`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(clustering_scores, **settings)

    def compute(self) -> float:
        """The score of all batches of all processes."""
        return float(super().compute().ami)


class LevelRecallAtK(Accumulator):
    """Recall@k of every level; see `level_recall_at_k`. Updated with (B, L) levels."""

    def __init__(self, ks: Sequence[int] = (1, 2, 4, 8), **settings: Any) -> None:
        super().__init__(level_recall_at_k, ks=ks, **settings)


class LevelMAPAtR(Accumulator):
    """MAP@R of every level; see `level_map_at_r`. Updated with (B, L) levels."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(level_map_at_r, **settings)


class LevelMAP(Accumulator):
    """Mean average precision of every level; see `level_average_precision`. Updated with (B, L) levels."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(level_average_precision, **settings)


class HierarchicalAveragePrecision(Accumulator):
    """H-AP; see `hierarchical_average_precision`. Updated with (B, L) levels."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(hierarchical_average_precision, **settings)


class NDCG(Accumulator):
    """NDCG of levels; see `ndcg`. Updated with (B, L) levels."""

    def __init__(self, k: int | None = None, **settings: Any) -> None:
        super().__init__(ndcg, k=k, **settings)


class ASI(Accumulator):
    """Average set intersection; see `asi`. Updated with (B, L) levels."""

    def __init__(self, k: int | None = None, **settings: Any) -> None:
        super().__init__(asi, k=k, **settings)


class HierarchicalPrecisionAtK(Accumulator):
    """HP@k; see `hierarchical_precision_at_k`. Updated with (B, L) levels."""

    def __init__(self, ks: Sequence[int], **settings: Any) -> None:
        super().__init__(hierarchical_precision_at_k, ks=ks, **settings)


class AverageHierarchicalPrecision(Accumulator):
    """AHP@K; see `average_hierarchical_precision`. Updated with (B, L) levels."""

    def __init__(self, k: int, **settings: Any) -> None:
        super().__init__(average_hierarchical_precision, k=k, **settings)


class LCAHeightOfErrors(Accumulator):
    """Mean cost of wrong nearest neighbours; see `lca_height_of_errors`."""

    def __init__(self, class_distances: Tensor | np.ndarray, **settings: Any) -> None:
        super().__init__(lca_height_of_errors, class_distances=class_distances, **settings)
