"""What each loss of the library does with the Poincaré distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pytorch_metric_learning import losses
from torch import Tensor

from hyperdml.geometry import pairwise_distance
from hyperdml.integrations.class_weights import parametrize_on_ball
from hyperdml.integrations.compatibility.trial import (
    CURVATURES,
    LABELS,
    build,
    classes_of,
    points,
    quiet_and_seeded,
    reason,
    tangents,
)
from hyperdml.integrations.poincare_distance import PoincareDistance

STEPS = 8

_REQUIRED: dict[str, dict[str, Any]] = {"RankedListLoss": {"margin": 1.0, "Tn": 0.1, "alpha": 4.0}}

_NOTES = {
    "AngularLoss": "multiplies with unnormalised reference points: feed it tangent vectors",
    "ContrastiveLoss": "distances: `neg_margin` of several units; inverted: negative margins, `pos_margin=0`",
    "GeneralizedLiftedStructureLoss": "`neg_margin` of several units",
    "HistogramLoss": "its bins cover -1 to 1",
    "IntraPairVarianceLoss": "evens out distances, separates nothing; an addition to another loss",
    "LargeMarginSoftmaxLoss": "multiplies cosine by the norms, which the ball bounds: feed it tangent vectors",
    "LiftedStructureLoss": "`neg_margin` of several units",
    "ManifoldLoss": "its Gaussian proxies lie outside the ball; wants a similarity between 0 and 1",
    "MarginLoss": "`beta` of several units",
    "MultiSimilarityLoss": "`base` of several units, smaller `beta`",
    "NormalizedSoftmaxLoss": "class weights `W` would be put on the unit sphere; `PoincareDistance` prevents it",
    "P2SGradLoss": "takes any distance and never calls it: cosine",
    "ProxyAnchorLoss": "class weights may leave the ball; `margin` of a few units, `alpha` of a few",
    "ProxyNCALoss": "class weights are Gaussian, outside the ball: an unguarded distance would be silently wrong",
    "RankedListLoss": "inverted: thresholds select nothing; `alpha` of several units",
    "SoftTripleLoss": "needs a similarity; smaller `la`",
    "SphereFaceLoss": "multiplies cosine by the norms, which the ball bounds: feed it tangent vectors",
    "TripletMarginLoss": "`margin` of about 1",
    "VICRegLoss": "takes no distance; Euclidean coordinates: feed it tangent vectors",
}


class LossVerdict(NamedTuple):
    """Outcome of the trials of one loss: "yes", or the way in which it fails.

    Attributes:
        name: class name.
        distance: with `PoincareDistance()`.
        inverted: with `PoincareDistance(is_inverted=True)`.
        on_ball: with `parametrize_on_ball`; "" for losses without class weights.
        as_it_comes: with its own distance, on points of the ball: "yes" if the value is that of the tangent vectors.
        note: what to know.
    """

    name: str
    distance: str
    inverted: str
    on_ball: str
    as_it_comes: str
    note: str


def loss_verdicts() -> list[LossVerdict]:
    """Try every loss of the installed version."""
    kinds = classes_of(losses, losses.BaseMetricLossFunction)
    with quiet_and_seeded():
        return [_verdict(name, kind) for name, kind in kinds.items()]


def _verdict(name: str, kind: type) -> LossVerdict:
    required = _REQUIRED.get(name, {})

    def given(inverted: bool) -> Callable[[float], Any]:
        return lambda c: build(kind, distance=PoincareDistance(c, is_inverted=inverted), **required)

    def on_ball(c: float) -> Any:
        return parametrize_on_ball(build(kind, **required), c)

    plain, inverted, parametrised = (_try(name, make) for make in (given(False), given(True), on_ball))
    values = [_value(name, build(kind, **required), x) for x in (points(tangents()), tangents())]
    as_it_comes = "yes" if torch.allclose(values[0], values[1], rtol=1e-4) else "norms count"
    notes = [_NOTES.get(name, ""), plain.partition(": ")[2]]
    return LossVerdict(
        name,
        plain.partition(":")[0],
        inverted.partition(":")[0],
        "" if parametrised.startswith("refuses") else parametrised,
        as_it_comes,
        "; ".join(note for note in notes if note),
    )


def _try(name: str, make: Callable[[float], Any]) -> str:
    """Whether the distance is used and used the right way round: "yes", or what goes wrong."""
    try:
        loss, u = make(CURVATURES[0]), tangents().requires_grad_()
        value = _value(name, loss, points(u))
        other = _value(name, make(CURVATURES[1]), points(tangents()))
    except Exception as error:  # losses raise whatever comes up when a distance does not suit them
        why = reason(error)
        return f"refuses: {why}" if why else "refuses"
    (gradient,) = torch.autograd.grad(value, u)
    if not (value.isfinite() and gradient.isfinite().all()):
        return "not finite"
    if not gradient.any():
        return "no gradient"
    if torch.allclose(value, other, rtol=1e-5):
        return "ignores it"
    before = _disorder(name, points(tangents()))
    return "yes" if _disorder(name, _trained(name, loss)) < before else "wrong way"


def _value(name: str, loss: Any, x: Tensor) -> Tensor:
    """The loss of the batch, called as it wants to be called."""
    torch.manual_seed(0)
    if name == "ManifoldLoss":
        return loss(x, indices_tuple=LABELS)  # takes its classes here
    if name == "VICRegLoss":
        return loss(x[::2], ref_emb=x[1::2])
    return loss(x, LABELS)


def _trained(name: str, loss: Any) -> Tensor:
    """Points after some steps of the loss on free tangent vectors, from no class structure."""
    u = tangents().requires_grad_()
    optimizer = torch.optim.Adam([u, *loss.parameters()], lr=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        _value(name, loss, points(u)).backward()
        optimizer.step()
    return points(u.detach())


def _disorder(name: str, x: Tensor) -> Tensor:
    """What training must lower: mean distance within classes less that between classes."""
    matrix = pairwise_distance(x, x, CURVATURES[0])
    same = LABELS[:, None] == LABELS
    within, between = matrix[same & ~torch.eye(len(x), dtype=torch.bool)], matrix[~same]
    if name == "IntraPairVarianceLoss":
        return within.std() / within.mean()
    return within.mean() - between.mean()
