"""One batch over several processes: joined forward, and a gradient that is right under DistributedDataParallel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable


def is_distributed() -> bool:
    """Whether a process group of more than one process runs."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_with_gradient(x: Tensor) -> Tensor:
    """Rows of all processes, in the order of their ranks, with a gradient for the own rows; see `gather_batch`.

    Args:
        x: (N, ...) rows of this process; N may differ between processes, the rest of the shape must not.

    Returns:
        (sum N, ...) the joined rows, equal in every process; x itself when nothing is distributed.
    """
    return gather_batch(x)[0]


def gather_batch(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Join the batches of all processes, so that each can compute the loss of the whole batch.

    In a process of W the backward hands a tensor its own slice of the gradient, times W, without communication. Where
    every process computes the same loss on the joined batch and `DistributedDataParallel` averages the gradients of the
    model, they are then exactly those of one process with the whole batch: ``1/W sum_r J_r^T (W g_r) = J^T g``.
    Parameters of the loss get the whole gradient in every process, and averaging leaves it as it is.

    One collective a tensor, and a small one for the sizes, which every process waits for.

    Args:
        tensors: (N, ...) each, N rows of this process; integer tensors are joined without gradient.

    Returns:
        The joined tensors, equal in every process; the tensors themselves when nothing is distributed.

    Raises:
        ValueError: the tensors have different numbers of rows.
    """
    rows = {len(x) for x in tensors}
    if len(rows) > 1:
        raise ValueError(f"the tensors of a batch must have as many rows each, got {sorted(rows)}")
    if not is_distributed():
        return tensors
    own = torch.tensor([len(tensors[0])], device=tensors[0].device)
    counts = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    sizes = torch.cat(counts).tolist()
    return tuple(_Join.apply(x, sizes) for x in tensors)


def all_agree(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in every process; a collective, which all have to call."""
    if not is_distributed():
        return flag
    votes = torch.tensor([int(flag)], device=device)
    dist.all_reduce(votes, dist.ReduceOp.MIN)
    return bool(votes)


class _Join(torch.autograd.Function):
    """all_gather of tensors padded to the largest size; backward keeps the own slice, times the number of processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: list[int]) -> Tensor:
        rank = dist.get_rank()
        ctx.own = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad[ctx.own] * dist.get_world_size(), None
