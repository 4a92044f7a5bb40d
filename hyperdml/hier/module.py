"""`HIER`: the hierarchical proxies and the regulariser, as a module without other dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from hyperdml.geometry import clip_norm, curvature_of, expmap0, pairwise_distance
from hyperdml.geometry.maps import check_clip_radius, upcast
from hyperdml.hier import released
from hyperdml.hier.lca import check_tau
from hyperdml.hier.loss import hier_triplet_loss
from hyperdml.hier.sampling import draw_triplets
from hyperdml.neighbors.reciprocal import reciprocal_mask

Mode = Literal["official", "paper"]
Space = Literal["ball", "tangent"]


class HIERTerms(NamedTuple):
    """The two means of the objective: over triplets of samples and over triplets of proxies."""

    samples: Tensor
    proxies: Tensor


@dataclass(frozen=True)
class _Preset:
    """Where the paper and the released implementation differ."""

    label_boost: bool
    k_counts_self: bool
    anchor_as_negative: bool
    exclude_pair_lca: bool
    released_arithmetic: bool


_PRESETS: dict[str, _Preset] = {
    "official": _Preset(
        label_boost=True,
        k_counts_self=True,
        anchor_as_negative=True,
        exclude_pair_lca=False,
        released_arithmetic=True,
    ),
    "paper": _Preset(
        label_boost=False,
        k_counts_self=False,
        anchor_as_negative=False,
        exclude_pair_lca=True,
        released_arithmetic=False,
    ),
}


class HIER(nn.Module):
    """Hierarchical regulariser: learnable proxies act as lowest common ancestors of related embeddings.

    For a batch of points and for the proxies themselves: k-reciprocal neighbours are related; triplets (i, j, k) of
    two related nodes and a third are drawn; a proxy rho is drawn as ancestor of (i, j) and rho' of (i, j, k); the
    hinge loss of `hier_triplet_loss` pulls i, j towards rho and k towards rho'. The value is the mean over sample
    triplets plus the mean over proxy triplets.

    | | ``mode="official"`` (released code) | ``mode="paper"`` (CVPR text) |
    |---|---|---|
    | relatedness of samples | exp(-d), +1 for equal labels | exp(-d), labels unused |
    | K | counts the point itself | K others |
    | x_k | any non-reciprocal point, the anchor too | any non-reciprocal point but the anchor |
    | rho' | from all proxies, triplet masked if rho' = rho | from the proxies without rho |
    | draws | softmax(-max d / tau), tau 0.1 | the same (Eq. 7 as printed is noise) |
    | arithmetic | released epsilons, proxy gradient times (1-c|x|^2)^2/4 | exact, plain gradient |

    The weight lambda is the caller's: 0.5 in the released scripts, 1 in the paper.

    Args:
        embedding_size: dimension d of the embeddings.
        num_proxies: number of hierarchical proxies P.
        c: curvature magnitude, or a `geoopt.PoincareBall`.
        clip_r: clipping radius of the proxies, and of the embeddings if they are given as tangent vectors.
        mode: "official" or "paper".
        k: number of neighbours K of the k-reciprocal relation.
        per_anchor: triplets per anchor.
        tau: temperature of the LCA draws.
        margin: hinge margin delta.
        embeddings: "ball" if `forward` gets points of the ball, "tangent" if it gets Euclidean features.

    Attributes:
        proxies: (P, d) parameter, tangent vectors at the origin, initialised N(0, 1) / sqrt(d) * 0.9 clip_r.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """

    def __init__(
        self,
        embedding_size: int,
        num_proxies: int = 512,
        *,
        c: float = 0.1,
        clip_r: float = 2.3,
        mode: Mode = "official",
        k: int = 20,
        per_anchor: int = 50,
        tau: float = 0.1,
        margin: float = 0.1,
        embeddings: Space = "ball",
    ) -> None:
        super().__init__()
        if mode not in _PRESETS:
            raise ValueError(f"mode must be one of {sorted(_PRESETS)}, got {mode!r}")
        if embeddings not in ("ball", "tangent"):
            raise ValueError(f"embeddings must be 'ball' or 'tangent', got {embeddings!r}")
        for name, value, lowest in (
            ("embedding_size", embedding_size, 1),
            ("num_proxies", num_proxies, 2),
            ("k", k, 1),
            ("per_anchor", per_anchor, 1),
        ):
            if value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, got {value}")
        check_tau(tau)
        check_clip_radius(clip_r)
        self.c = curvature_of(c)
        self.clip_r = clip_r
        self.mode = mode
        self.k = k
        self.per_anchor = per_anchor
        self.tau = tau
        self.margin = margin
        self.embeddings = embeddings
        self.proxies = nn.Parameter(torch.randn(num_proxies, embedding_size) * (0.9 * clip_r / embedding_size**0.5))
        self._preset = _PRESETS[mode]
        self._seen_points = False
        self._seed: int | None = None
        self._generators: dict[torch.device, torch.Generator] = {}

    def manual_seed(self, seed: int) -> HIER:
        """Restart the draws from a seed of their own, on every device; without it they use torch's global state."""
        self._seed = seed
        self._generators.clear()
        return self

    def proxies_on_ball(self) -> Tensor:
        """(P, d) the proxies as points of the ball."""
        return self._to_ball(self.proxies)

    def terms(self, embeddings: Tensor, labels: Tensor | None = None) -> HIERTerms:
        """The two terms of the objective.

        Args:
            embeddings: (N, d) points of the ball, or tangent vectors (constructor argument `embeddings`).
            labels: (N,) integer labels; used by "official" alone. None leaves the label boost out.

        Returns:
            Mean loss over sample triplets, mean loss over proxy triplets. A term without a qualifying anchor is 0.

        Raises:
            ValueError: shapes do not fit, or the first batch of ball points is not in the ball.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.proxies.shape[1]:
            raise ValueError(f"expected (N, {self.proxies.shape[1]}) embeddings, got {tuple(embeddings.shape)}")
        if labels is not None and labels.shape != embeddings.shape[:1]:
            raise ValueError(f"expected {len(embeddings)} labels, got shape {tuple(labels.shape)}")
        if self.embeddings == "tangent":
            points = self._to_ball(embeddings)
        else:
            points = embeddings
            self._check_once(points)
        proxies = self.proxies_on_ball()
        with torch.no_grad():
            similarity = torch.exp(-self._distance(points, points))
            if self._preset.label_boost and labels is not None:
                similarity += labels[:, None] == labels[None]
        between_proxies = self._distance(proxies, proxies)
        return HIERTerms(
            samples=self._term(self._distance(points, proxies), similarity),
            proxies=self._term(between_proxies, torch.exp(-between_proxies.detach())),
        )

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Sum of the two `terms`, a scalar."""
        terms = self.terms(embeddings, labels)
        return terms.samples + terms.proxies

    def extra_repr(self) -> str:
        """Constructor arguments, for print(module)."""
        count, size = self.proxies.shape
        return (
            f"embedding_size={size}, num_proxies={count}, c={self.c}, clip_r={self.clip_r}, mode={self.mode!r}, "
            f"k={self.k}, per_anchor={self.per_anchor}, tau={self.tau}, margin={self.margin}"
        )

    def _check_once(self, points: Tensor) -> None:
        """Look at the first batch, and only there: a look costs a device synchronisation."""
        if self._seen_points or not len(points):
            return
        norm = float(upcast(points.detach()).norm(dim=1).max())
        if norm >= self.c**-0.5:  # not so for NaN, which is not a matter of spaces
            raise ValueError(
                f"an embedding has norm {norm:.4g}, outside the ball of radius {self.c**-0.5:.4g} (c={self.c:g}); map "
                "features with ToPoincare first, or construct HIER with embeddings='tangent'"
            )
        self._seen_points = True

    def _term(self, dist: Tensor, similarity: Tensor) -> Tensor:
        generator = self._generator(dist.device)
        mask = reciprocal_mask(similarity, self.k if self._preset.k_counts_self else self.k + 1)
        triplets, valid = draw_triplets(
            mask, self.per_anchor, generator, anchor_as_negative=self._preset.anchor_as_negative
        )
        return hier_triplet_loss(
            dist,
            triplets.flatten(0, 1),
            self.tau,
            self.margin,
            exclude_pair_lca=self._preset.exclude_pair_lca,
            weight=valid.repeat_interleave(self.per_anchor),
            generator=generator,
        )

    def _to_ball(self, u: Tensor) -> Tensor:
        if self._preset.released_arithmetic:
            return released.to_ball(u, self.c, self.clip_r)
        return expmap0(clip_norm(u, self.clip_r), self.c)

    def _distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (released.pairwise_distance if self._preset.released_arithmetic else pairwise_distance)(x, y, self.c)

    def _generator(self, device: torch.device) -> torch.Generator | None:
        if self._seed is None:
            return None
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]
