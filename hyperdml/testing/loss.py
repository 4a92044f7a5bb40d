"""The contract of a hierarchical loss."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn

from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature
from hyperdml.testing.contract import hold, name_of
from hyperdml.testing.loss_case import LossCase, class_points
from hyperdml.testing.loss_laws import LOSS_LAWS
from hyperdml.testing.points import seeded


def check_hierarchical_loss(
    make_loss: Callable[[], nn.Module],
    embedding_size: int,
    *,
    c: Curvature | None = 0.1,
    num_classes: int = 8,
    prepare: Callable[[Any], object] | None = None,
    deterministic: bool = False,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
    skip: Collection[str] = (),
) -> None:
    """Check a loss that is called as ``loss(embeddings, labels)`` and returns a scalar.

    >>> from hyperdml import HIER
    >>> check_hierarchical_loss(lambda: HIER(8, 20, mode="paper", k=6, per_anchor=5), 8)

    | law | what it says |
    |---|---|
    | scalar | one finite floating-point number that has a gradient |
    | embedding gradient, parameter gradient | finite, there, and not 0 everywhere |
    | degenerate batches | finite for 0 to 4 points, one class, only different classes, equal points, the origin |
    | inputs untouched | embeddings and labels are not changed |
    | seeds | a seed repeats the value; if the loss has `manual_seed`, torch's own state then plays no part |
    | relabelling | labels are names: exchanging them changes nothing |
    | order | only with `deterministic`: neither seeds nor the order of the batch change the value |
    | state | `state_dict` carries the value into a new loss that was not prepared |
    | copies | a deep copy has the same value, and does not share parameters |
    | float64 | after ``.double()`` a float64 value, with gradients |
    | half precision | float16 and bfloat16 embeddings give finite values and gradients |

    Draws are seeded by ``torch.manual_seed`` before every call, and by ``loss.manual_seed`` if there is one; torch's
    random state is put back at the end. If the loss gives no scalar, the other laws are not tried.

    Args:
        make_loss: gives a new loss, with torch's random state seeded.
        embedding_size: dimension of the embeddings.
        c: embeddings are points of the ball of curvature -c, with tangent norms between 0.1 and 2.3 at c = 0.1; None
            for plain vectors of such norms.
        num_classes: labels are 0 to num_classes - 1; the ordinary batch has three embeddings of each. At least 3.
        prepare: called once with every new loss that is to be used (a warm-up, a tree of classes), except where a
            state is loaded: what it brings about must be part of the state.
        deterministic: the loss makes no random choices and takes the batch as a set.
        device: device of loss and embeddings.
        generator: a CPU generator for the embeddings; None is a new one of seed 0.
        skip: laws that do not hold, by name: "relabelling" for a loss with parameters of its own for every class.

    Raises:
        ContractError: a law is broken.
        ValueError: num_classes is below 3, or skip names no law.
    """
    if num_classes < 3:
        raise ValueError(f"num_classes must be at least 3, got {num_classes}")
    c = None if c is None else curvature_of(c)
    points = class_points(embedding_size, num_classes, c, seeded(generator))
    case = LossCase(make_loss, prepare, num_classes, torch.device(device), points)
    with case.seeds_kept():
        hold(name_of("loss", make_loss), LOSS_LAWS, case, [*skip, *([] if deterministic else ["order"])])
