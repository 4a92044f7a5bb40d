"""Aggregated log-probabilities of logits over a taxonomy, as a function."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from hyperdml.hace.aggregation import Aggregation, Head
from hyperdml.taxonomy import Taxonomy


@torch.compiler.disable
@lru_cache(maxsize=8)
def cached_aggregation(taxonomy: Taxonomy, head: Head, device: torch.device) -> Aggregation:
    """The aggregation of a taxonomy on a device, made once."""
    with torch.inference_mode(False):  # what is kept has to serve training too
        return Aggregation(taxonomy, head).to(device)


def head_of(logits: Tensor, taxonomy: Taxonomy) -> Head:
    """Which head logits come from, by their width.

    Raises:
        ValueError: neither the number of nodes nor that of leaves.
    """
    if logits.ndim == 2 and logits.shape[1] in (len(taxonomy), taxonomy.num_leaves):
        return "all_nodes" if logits.shape[1] == len(taxonomy) else "leaves"
    raise ValueError(
        f"expected logits of shape (B, {len(taxonomy)}), one a node, or (B, {taxonomy.num_leaves}), one a leaf; got "
        f"{tuple(logits.shape)}"
    )


def aggregated_log_prob(logits: Tensor, taxonomy: Taxonomy) -> Tensor:
    """Log of the probability at or below every node: ``log (R softmax(z))``, exact at any gap between logits.

    Args:
        logits: (B, N) with a column a node, in the order of `taxonomy.names`; or (B, C) with a column a leaf, where
            inner nodes have no mass of their own.
        taxonomy: tree, forest or DAG. Its plan is made at the first call and kept for the next. Inside a model use
            `Aggregation`, which is the same as a module; it compiles without a break of the graph and exports.

    Returns:
        (B, N) in float64 if the logits are, else in float32. A single root has exactly 0, no node more than its
        parents, a node without mass -inf. Differentiable once.

    Raises:
        ValueError: the logits have another shape or are not floating-point numbers.

    Example:
        >>> from hyperdml.taxonomy import Taxonomy
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> taxonomy.names
        ('wren', 'finch', 'eel', 'bird', 'animal')
        >>> aggregated_log_prob(torch.tensor([[2.0, 2.0, 2.0]]), taxonomy).exp()
        tensor([[0.3333, 0.3333, 0.3333, 0.6667, 1.0000]])
    """
    log_prob: Tensor = cached_aggregation(taxonomy, head_of(logits, taxonomy), logits.device)(logits)
    return log_prob
