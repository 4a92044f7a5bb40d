"""Retrieval scores of single queries, as pure functions of which items were relevant at which rank.

`hits` is a (Q, k) bool tensor, rank 1 first: dense, as `RetrievalResult.hits`, or sparse (COO, coalesced), as whole
rankings come from `hyperdml.metrics.retrieval.ranked_hits`. `relevant` is (Q,) int64, how many relevant items R each
query has, found or not. Scores are (Q,) float64, and NaN where a query has no relevant item and the score divides by R.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.galleries import check_ks


def recall_at_k(hits: Tensor, k: int) -> Tensor:
    """1 where one of the k nearest is relevant, else 0; 0 without relevant items.

    This is Recall@k of metric learning, which torchmetrics calls hit rate; its RetrievalRecall is
    ``hits among k / R``.

    Raises:
        ValueError: `hits` has fewer than k columns.
    """
    return (_count(hits, k, "Recall") > 0).double()


def precision_at_k(hits: Tensor, k: int) -> Tensor:
    """``hits among the k nearest / k``; 0 without relevant items. At most R / k, so it falls below 1 for k > R.

    Raises:
        ValueError: `hits` has fewer than k columns.
    """
    return _count(hits, k, "Precision").double() / k


def r_precision(hits: Tensor, relevant: Tensor) -> Tensor:
    """``hits among the R nearest / R``; NaN without relevant items.

    Raises:
        ValueError: `hits` has fewer columns than the largest R.
    """
    row, _ = _within_r(hits, relevant, "R-precision")
    return row.bincount(minlength=len(relevant)) / relevant.double()


def average_precision_at_r(hits: Tensor, relevant: Tensor) -> Tensor:
    """``(1/R) sum_{i<=R} P(i) rel(i)``, P(i) the precision among the i nearest; NaN without relevant items.

    Musgrave et al., A Metric Learning Reality Check, ECCV 2020, Sec. 3.2.

    Raises:
        ValueError: `hits` has fewer columns than the largest R.
    """
    return _sum_of_precisions(*_within_r(hits, relevant, "MAP@R"), len(relevant)) / relevant


def average_precision(hits: Tensor, relevant: Tensor) -> Tensor:
    """``(1/R) sum_{i<=k} P(i) rel(i)`` over all k columns; NaN without relevant items.

    With all items ranked this is average precision. With fewer it is AP@k with the true normaliser: a relevant item
    that was not found counts as 0, as in pytorch-metric-learning, whereas torchmetrics divides by the number found.
    """
    return _sum_of_precisions(*_ranks(hits), len(relevant)) / relevant


def reciprocal_rank(hits: Tensor, relevant: Tensor) -> Tensor:
    """``1 / rank`` of the nearest relevant item, 0 if it is not among the k columns; NaN without relevant items."""
    row, rank = _ranks(hits)
    first = torch.full((len(relevant),), torch.inf, dtype=torch.float64, device=hits.device)
    return torch.where(relevant > 0, 1 / first.scatter_reduce(0, row, rank.double(), "amin"), torch.nan)


def _ranks(hits: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) query and (P,) rank, from 1, of every hit, in ascending order."""
    row, column = hits.indices() if hits.is_sparse else hits.nonzero(as_tuple=True)
    return row, column + 1


def _count(hits: Tensor, k: int, score: str) -> Tensor:
    check_ks([k], hits.shape[1], score, "the number of neighbours that were searched")
    row, rank = _ranks(hits)
    return row[rank <= k].bincount(minlength=len(hits))


def _within_r(hits: Tensor, relevant: Tensor, score: str) -> tuple[Tensor, Tensor]:
    """The hits among each query's R nearest."""
    most = int(relevant.max()) if len(relevant) else 0
    if most > hits.shape[1]:
        raise ValueError(
            f"{score} needs {most} neighbours, the size of the largest relevant set, but only {hits.shape[1]} were "
            "searched"
        )
    row, rank = _ranks(hits)
    counted = rank <= relevant[row]
    return row[counted], rank[counted]


def _sum_of_precisions(row: Tensor, rank: Tensor, queries: int) -> Tensor:
    """(Q,) sum over a query's hits of the precision at their rank."""
    size = row.bincount(minlength=queries)
    hit = torch.arange(1, len(row) + 1, device=row.device) - (size.cumsum(0) - size)[row]
    return torch.zeros(queries, dtype=torch.float64, device=row.device).index_add_(0, row, hit.double() / rank)
