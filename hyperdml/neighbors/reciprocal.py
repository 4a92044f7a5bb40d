"""k-reciprocal neighbours of a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def reciprocal_mask(similarity: Tensor, k: int) -> Tensor:
    """Which pairs are among each other's k most similar points.

    ``mask[i, j] = j in top_k(i) and i in top_k(j)``, ``mask[i, i] = False``, where ``top_k(i)`` are the k largest
    entries of row i. The point itself takes one of the k places when it is its own most similar point, as in the
    released HIER (Kim et al., CVPR 2023): k = 20 then means 19 others. Everything is a tensor operation on the
    matrix's device, without waiting for it.

    Args:
        similarity: (N, N) similarities, larger is closer; need not be symmetric.
        k: neighbours per point, at least 1; larger than N counts as N.

    Returns:
        (N, N) bool, symmetric, False on the diagonal. Which of equal similarities counts as nearer is up to
        `torch.topk`.

    Raises:
        ValueError: the matrix is not square, or k is below 1.
    """
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise ValueError(f"expected a square (N, N) similarity, got {tuple(similarity.shape)}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    nearest = similarity.topk(min(k, len(similarity)), dim=1).indices
    near = torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, nearest, True)
    return (near & near.T).fill_diagonal_(False)
