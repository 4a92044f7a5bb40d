"""The Poincaré distance as a distance of pytorch-metric-learning, with guards against its usual misuse."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import torch
from pytorch_metric_learning.distances import BaseDistance
from torch import Tensor, nn

from hyperdml.geometry import clip_norm, curvature_of, distance, expmap0, pairwise_distance
from hyperdml.geometry.curvature import Curvature, kept_curvature
from hyperdml.geometry.maps import check_clip_radius, upcast


class PoincareDistance(BaseDistance):
    """Geodesic distance of the Poincaré ball, for the `distance` of losses and miners of pytorch-metric-learning.

    >>> from pytorch_metric_learning import losses, miners
    >>> distance = PoincareDistance(embeddings="tangent")  # for a model that ends in a Linear
    >>> loss = losses.TripletMarginLoss(margin=1.0, distance=distance)
    >>> miner = miners.BatchHardMiner(distance=distance)

    ``d(x, y) = (2 / sqrt(c)) arsinh(sqrt(c) |x - y| / sqrt((1 - c|x|^2) (1 - c|y|^2)))``, never larger than
    ``4 clip_r`` for clipped points (9.2 at the default). Margins, temperatures and bases of losses are made for cosine
    or the unit sphere: set them for distances of this size.

    The library normalises embeddings before it compares them unless a distance says otherwise, which would put every
    point on one sphere. Nothing is normalised here, also not by losses that call `normalize` themselves.

    Class weights of a loss must be points of the ball as well. A bare parameter is refused, because nothing keeps it
    in the ball: use `parametrize_on_ball`, a `geoopt.ManifoldParameter`, or ``embeddings="tangent"``, which maps the
    class weights together with the embeddings.

    The first batch is looked at, and only that one, since a look waits for the device: a point outside the ball is an
    error, and equal norms give a warning.

    Args:
        c: curvature magnitude, or a `geoopt.PoincareBall`; a learnable one is shared with the model and trained.
        embeddings: "ball" if the loss gets points of the ball, "tangent" if it gets Euclidean features, which are then
            clipped and mapped here.
        clip_r: clipping radius for "tangent".
        is_inverted: give -d, a similarity, for losses that need one.
        power: exponent of the distance matrix.
        normalize_embeddings: must be False.
        p: must be 2.
        collect_stats: as in `BaseDistance`.

    Raises:
        ValueError: an option is out of range or would make the distance meaningless.
    """

    def __init__(
        self,
        c: Curvature = 0.1,
        *,
        embeddings: Literal["ball", "tangent"] = "ball",
        clip_r: float = 2.3,
        is_inverted: bool = False,
        power: float = 1,
        normalize_embeddings: bool = False,
        p: float = 2,
        collect_stats: bool | None = None,
    ) -> None:
        if normalize_embeddings:
            raise ValueError(
                "normalize_embeddings must be False: normalised points all have norm 1, which is one sphere of the "
                "ball (its rim for c=1), and their radii are lost"
            )
        if p != 2:
            raise ValueError(f"p must be 2, got {p!r}: the Poincaré distance has no other p")
        if not power > 0:
            raise ValueError(f"power must be positive, got {power!r}")
        if is_inverted and power != 1:
            raise ValueError(f"power must be 1 for is_inverted=True, got {power!r}: a power of -d is no similarity")
        if embeddings not in ("ball", "tangent"):
            raise ValueError(f"embeddings must be 'ball' or 'tangent', got {embeddings!r}")
        check_clip_radius(clip_r)
        super().__init__(normalize_embeddings=False, power=power, is_inverted=is_inverted, collect_stats=collect_stats)
        self._c, self.ball = kept_curvature(c)
        self.embeddings = embeddings
        self.clip_r = clip_r
        self._seen_points = False

    @property
    def c(self) -> float:
        """The curvature magnitude as it stands."""
        return self._c if self.ball is None else curvature_of(self.ball)

    def compute_mat(self, query_emb: Tensor, ref_emb: Tensor | None) -> Tensor:
        """(Nq, Nr) distances, or their negatives, in at least float32; self-comparison if `ref_emb` is None."""
        query, ref = self._points(query_emb, query_emb if ref_emb is None else ref_emb)
        found = pairwise_distance(query, ref, self.ball or self._c)
        return -found if self.is_inverted else found

    def pairwise_distance(self, query_emb: Tensor, ref_emb: Tensor) -> Tensor:
        """(N,) distances between corresponding rows, or their negatives; without `power`, as in the library."""
        query, ref = self._points(query_emb, ref_emb)
        found = distance(query, ref, self.ball or self._c)
        return -found if self.is_inverted else found

    def normalize(self, embeddings: Tensor, dim: int = 1, **kwargs: Any) -> Tensor:
        """The embeddings as they are: `NormalizedSoftmaxLoss` calls this on its class weights."""
        return embeddings

    def extra_repr(self) -> str:
        """Constructor arguments, for print(module)."""
        text = f"c={self.c}, embeddings={self.embeddings!r}"
        text += f", clip_r={self.clip_r}" if self.embeddings == "tangent" else ""
        text += f", power={self.power}" if self.power != 1 else ""
        return text + (", is_inverted=True" if self.is_inverted else "")

    def _points(self, query: Tensor, ref: Tensor) -> tuple[Tensor, Tensor]:
        """Both sets as points of the ball, mapped once if they are one."""
        if self.embeddings == "ball" and ref is not query and _is_bare_parameter(ref):
            raise ValueError(
                "the class weights of this loss are a bare parameter, which nothing keeps in the ball: call "
                "hyperdml.integrations.parametrize_on_ball(loss), or use PoincareDistance(embeddings='tangent') with "
                "Euclidean features"
            )
        points = self._to_ball(query)
        others = points if ref is query else self._to_ball(ref)
        # on an accelerator a look costs a synchronisation: there the first batch has to do
        if len(points) and len(others) and (not self._seen_points or points.device.type == "cpu"):
            self._check(points.detach(), others.detach(), first=not self._seen_points)
            self._seen_points = True
        return points, others

    def _to_ball(self, x: Tensor) -> Tensor:
        return x if self.embeddings == "ball" else expmap0(clip_norm(x, self.clip_r), self.ball or self._c)

    def _check(self, *sets: Tensor, first: bool) -> None:
        """Look at the points: inside the ball, and the first of them not all on one sphere."""
        radius = self.c**-0.5
        for points in sets:
            norms = torch.linalg.vector_norm(upcast(points), dim=1)
            lowest, highest = norms.aminmax()
            if highest >= radius:  # not so for NaN, which is not a matter of spaces
                raise ValueError(
                    f"a point has norm {float(highest):.4g}, outside the ball of radius {radius:.4g} (c={self.c:g}); "
                    "map features with hyperdml.ToPoincare first, or use PoincareDistance(embeddings='tangent')"
                )
        # the last set is the one that is ranked
        if first and len(norms) > 1 and highest - lowest <= 1e-3 * highest:
            hint = "; were they normalised?" if abs(float(highest) - 1) < 1e-3 else ""
            warnings.warn(
                f"all {len(norms)} points have the same norm {float(highest):.4g}{hint}: on one sphere the Poincaré "
                "distance ranks exactly as cosine does",
                stacklevel=2,
            )


def _is_bare_parameter(x: Tensor) -> bool:
    """A parameter or a view of one (`weight.t()`), and not one that a Riemannian optimiser keeps on a manifold."""
    owner = x if x._base is None else x._base
    return isinstance(owner, nn.Parameter) and not hasattr(owner, "manifold")
