"""Class weights of classification losses as points of the ball."""

from __future__ import annotations

from typing import TypeVar

import torch
from pytorch_metric_learning import losses
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hyperdml.geometry import clip_norm, curvature_of, expmap0, logmap0
from hyperdml.geometry.curvature import Curvature, kept_curvature
from hyperdml.geometry.maps import check_clip_radius
from hyperdml.integrations.poincare_distance import PoincareDistance

Loss = TypeVar("Loss", bound=losses.BaseMetricLossFunction)

START = 0.9
"""Largest tangent norm at the start, as a share of the clipping radius: HIER starts its proxies at this norm."""

# attribute that holds the class weights, and the dimension along which one of them lies
_WEIGHTS: dict[type[nn.Module], tuple[str, int]] = {
    losses.ProxyAnchorLoss: ("proxies", 1),
    losses.ProxyNCALoss: ("proxies", 1),
    losses.SoftTripleLoss: ("fc", 0),
    losses.NormalizedSoftmaxLoss: ("W", 0),
}
COSINE_ALONE = (losses.LargeMarginSoftmaxLoss, losses.P2SGradLoss, losses.ManifoldLoss)
"""Losses that compare by cosine whatever distance they are given."""


def parametrize_on_ball(loss: Loss, c: Curvature = 0.1, clip_r: float = 2.3) -> Loss:
    """Put the class weights of a loss on the Poincaré ball, and let the loss compare by Poincaré distance.

    >>> from pytorch_metric_learning import losses
    >>> loss = parametrize_on_ball(losses.ProxyAnchorLoss(num_classes=10, embedding_size=8, margin=1.0, alpha=4))
    >>> bool((loss.proxies.norm(dim=1) < 10**0.5).all())
    True

    For `ProxyAnchorLoss`, `ProxyNCALoss`, `SoftTripleLoss` and `NormalizedSoftmaxLoss`, and losses derived from them.
    The parameter becomes a tangent vector at the origin; where the loss reads its weights it gets
    ``expmap0(clip(u))``, so that plain optimisers cannot leave the ball. The weights keep their directions; one common
    factor brings the largest tangent norm to 0.9 clip_r, inside the radius where the norm keeps a gradient (as they
    come their norms depend on dimension and number of classes). The parameter stays the same object, so an optimiser
    that has it already keeps it; in the state it is called `parametrizations.<name>.original`.

    The loss gets ``PoincareDistance(c, is_inverted=True)``, -d, the role that cosine has in these losses; a
    `PoincareDistance` of the same ball that it has already stays. Embeddings must be points of the ball. For Euclidean
    features this function is not needed: ``PoincareDistance(embeddings="tangent")`` maps the class weights too.

    `margin`, `alpha`, `la`, `temperature` and the like are made for cosine, between -1 and 1; distances go up to
    4 clip_r.

    Args:
        loss: the loss; it is changed in place.
        c: curvature magnitude, or a `geoopt.PoincareBall`; a learnable one is shared with the model and trained.
        clip_r: clipping radius of the tangent vectors.

    Returns:
        The same loss.

    Raises:
        ValueError: the loss has no class weights, compares them by cosine alone, or has them on a ball already; or its
            distance belongs to another ball.
    """
    name, dim = _weights_of(loss)
    check_clip_radius(clip_r)
    to_ball = _OnBall(c, clip_r, dim)
    if parametrize.is_parametrized(loss, name):
        raise ValueError(f"{type(loss).__name__}.{name} is parametrised already")
    if not isinstance(loss.distance, PoincareDistance):
        loss.distance = PoincareDistance(c, is_inverted=True)
    elif loss.distance.embeddings == "tangent":
        raise ValueError("PoincareDistance(embeddings='tangent') maps the class weights itself; they need nothing more")
    elif loss.distance.ball is not to_ball.ball:
        raise ValueError(
            "a learnable ball must be shared: give the distance of the loss and this function the same one"
        )
    elif loss.distance.c != to_ball.c:
        raise ValueError(f"the distance of the loss has c={loss.distance.c}, the class weights would have {to_ball.c}")
    weights = getattr(loss, name)
    with torch.no_grad():
        largest = torch.linalg.vector_norm(weights, dim=dim).max()
        weights.copy_(to_ball(weights * torch.where(largest > 0, START * clip_r / largest, 1.0)))
    parametrize.register_parametrization(loss, name, to_ball)
    return loss


def has_class_weights(kind: type[nn.Module]) -> bool:
    """Whether `parametrize_on_ball` is for losses of a class.

    Args:
        kind: class of the loss.
    """
    return issubclass(kind, tuple(_WEIGHTS))


def _weights_of(loss: nn.Module) -> tuple[str, int]:
    for kind, found in _WEIGHTS.items():
        if isinstance(loss, kind):
            return found
    name = type(loss).__name__
    if isinstance(loss, COSINE_ALONE):
        raise ValueError(
            f"{name} compares with its class weights by cosine alone, which no radius changes; use it as it is, on "
            "points of the ball or on their tangent vectors"
        )
    known = ", ".join(kind.__name__ for kind in _WEIGHTS)
    raise ValueError(f"{name} has no class weights that could lie on the ball; parametrize_on_ball is for {known}")


class _OnBall(nn.Module):
    """Tangent vectors at the origin, along one dimension of a matrix, to points of the ball."""

    def __init__(self, c: Curvature, clip_r: float, dim: int) -> None:
        super().__init__()
        self._c, self.ball = kept_curvature(c)
        self.clip_r = clip_r
        self.dim = dim

    @property
    def c(self) -> float:
        return self._c if self.ball is None else curvature_of(self.ball)

    def forward(self, u: Tensor) -> Tensor:
        points = expmap0(clip_norm(u.movedim(self.dim, -1), self.clip_r), self.ball or self._c)
        return points.movedim(-1, self.dim).to(u.dtype)

    def right_inverse(self, x: Tensor) -> Tensor:
        return logmap0(x.movedim(self.dim, -1), self.ball or self._c).movedim(-1, self.dim).to(x.dtype)

    def extra_repr(self) -> str:
        return f"c={self.c}, clip_r={self.clip_r}"
