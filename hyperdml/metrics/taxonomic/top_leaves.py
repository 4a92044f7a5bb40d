"""The k leaves of largest logit, in an order that equal logits do not make uncertain."""

from __future__ import annotations

from torch import Tensor


def ranked_leaves(logits: Tensor, k: int) -> Tensor:
    """The k leaves of largest logit, of equal ones that of lower index first, as `argmax` takes it.

    Logits in bfloat16 are often equal, and `topk` then leaves the order, and who is among the k, to chance.

    Args:
        logits: (B, C).
        k: at most C.

    Returns:
        (B, k) int64, best first.
    """
    values, leaf = logits.topk(k, 1)
    by_index = leaf.argsort(1)
    values, leaf = values.gather(1, by_index), leaf.gather(1, by_index)
    leaf = leaf.gather(1, values.argsort(dim=1, descending=True, stable=True))
    if k < logits.shape[1]:
        several = (logits >= values.amin(1, keepdim=True)).sum(1) > k
        if several.any():
            leaf[several] = logits[several].argsort(dim=1, descending=True, stable=True)[:, :k]
    return leaf
