"""Batches larger than the memory: the loss sees all embeddings, the network a piece of the batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch import distributed as dist

from hyperdml.distributed import is_distributed
from hyperdml.seeds import derive_seed


def cached_backward(
    embed: Callable[[Tensor], Tensor],
    inputs: Tensor,
    piece: int,
    loss: Callable[[Tensor], Mapping[str, Tensor]],
    scaler: torch.amp.GradScaler,
    seed: int,
) -> dict[str, Tensor]:
    """Gradients of the loss of a whole batch, in the memory of a piece of it (GradCache, Gao et al. 2021).

    The embeddings are computed without gradient, piece by piece; then the loss and its gradient ``g = dL/dx`` in all
    embeddings x; then every piece once more, this time with ``g`` as the gradient of its output. The sum over the
    pieces is the gradient of the whole batch, for one more forward pass of the network. Nothing in `embed` may look at
    more than its piece: batch statistics that are trained make it another network.

    torch is seeded anew before each piece, alike in both passes, so dropout drops the same; and before the loss.
    A batch of one piece takes one pass.

    With several processes `embed` and `loss` are called as they are, not through `DistributedDataParallel`, whose
    hooks would send gradients after the first piece. The loss joins the embeddings of all processes itself
    (`hyperdml.distributed.gather_batch`); call `average_gradients` afterwards, once.

    Args:
        embed: (n, ...) inputs to (n, d) embeddings.
        inputs: (N, ...) the batch of this process.
        piece: largest n.
        loss: (N, d) embeddings to the parts of the loss, "loss" among them, scalars; it may have parameters.
        scaler: scales the loss.
        seed: of this step.

    Returns:
        The parts, detached. Gradients are added to `.grad` of all that `embed` and `loss` depend on.

    Raises:
        ValueError: `piece` is below 1.
    """
    if piece < 1:
        raise ValueError(f"piece must be at least 1, got {piece}")
    pieces = inputs.split(piece)

    def embedded(number: int) -> Tensor:
        torch.manual_seed(derive_seed(seed, "piece", number))
        return embed(pieces[number])

    def backward(points: Tensor) -> dict[str, Tensor]:
        torch.manual_seed(derive_seed(seed, "loss"))
        parts = loss(points)
        scaler.scale(parts["loss"]).backward()
        return {name: part.detach() for name, part in parts.items()}

    if len(pieces) == 1:
        return backward(embedded(0))
    with torch.no_grad():
        cached = torch.cat([embedded(number) for number in range(len(pieces))])
    # autocast of some versions of torch goes on with the weights it cast without gradient
    torch.clear_autocast_cache()
    cached.requires_grad_()
    parts = backward(cached)
    if cached.grad is None:
        raise ValueError("the loss does not depend on the embeddings")
    for number, gradient in enumerate(cached.grad.split(piece)):
        embedded(number).backward(gradient)
    return parts


def average_gradients(module: nn.Module) -> None:
    """Mean of the gradients over the processes, in place and in one message for each dtype.

    It does what `DistributedDataParallel` does while it computes gradients. All processes must have gradients for the
    same parameters, as they have where all compute the same network and loss. Without a process group it does nothing.
    """
    if not is_distributed():
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    for dtype in sorted({gradient.dtype for gradient in gradients}, key=str):
        alike = [gradient for gradient in gradients if gradient.dtype == dtype]
        flat = torch.cat([gradient.reshape(-1) for gradient in alike])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for gradient, mean in zip(alike, flat.split([g.numel() for g in alike]), strict=True):
            gradient.copy_(mean.view_as(gradient))
