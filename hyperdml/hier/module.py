"""`HIER`: the hierarchical proxies and the regulariser, as a module without other dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from hyperdml.distributed import all_agree, is_distributed
from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature, kept_curvature
from hyperdml.geometry.maps import check_clip_radius, upcast
from hyperdml.hier.fit import check_embeddings, level_centroids
from hyperdml.hier.meaning import KeepsMeaning
from hyperdml.hier.objectives import HIERTerms, Levelled, Objective, Reciprocal, SampleLoss, nothing
from hyperdml.hier.presets import Mode, check_choice, settle
from hyperdml.hier.spaces import Geometry, create_space
from hyperdml.hier.start import PER_PROXY, RecentEmbeddings, start_proxies


class HIER(KeepsMeaning):
    """Hierarchical regulariser: learnable proxies act as lowest common ancestors (LCA) of related embeddings.

    Triplets (i, j, k) of two related points and a third; a proxy rho is the ancestor of (i, j), a proxy rho' that of
    (i, j, k); hinges pull i and j towards rho and away from rho', and k towards rho' and away from rho. Three modes:

    - "default", ours: levels of proxies that start from data after a warm-up; j within a cell of a level by rank, k
      within the cell one level up (a point of the same label is nearer than any other, if labels are given); rho the
      best ancestor at the level, rho' that one level up, the origin on top, without noise. The hinge, of margin 1,
      moves the samples with the proxies held; squared distance to their members and evenness of use move the proxies
      with the samples held.
    - "official", the released code: 512 proxies from a random start; j a k-reciprocal neighbour (equal labels are
      nearest, K counts the point itself), k any other point, the anchor too; rho and rho' drawn from
      softmax(-max d / 0.1) of all proxies, nothing if they are equal; gradient straight through the draws; triplets of
      proxies as well; released epsilons; the gradient of what is mapped here times (1 - c|x|^2)^2 / 4.
    - "paper", the CVPR text: as released, but labels unused, K others, k never the anchor, rho' drawn from the
      proxies without rho; exact arithmetic, plain gradients.

    `docs/hier.md` goes through the modes line by line, with the reasons. The weight lambda is the caller's: 0.5 in
    "default" and in the released scripts, 1 in the paper.

    Args:
        embedding_size: dimension d of the embeddings.
        num_proxies: number of proxies P ("official", "paper"; 512).
        mode: "default", "official" or "paper".
        levels: numbers of proxies, coarse to fine ("default"; 8, 32, 128, 512). The finest should be about the number
            of classes.
        c: curvature magnitude, or a `geoopt.PoincareBall`; a learnable one is shared and trained (in "default" by the
            hinge alone).
        clip_r: clipping radius of the proxies, and of the embeddings if they are given as tangent vectors.
        geometry: "hyperbolic", or the controls "spherical" (2 - 2 cos, HIER_sph in the paper's Table 2) and
            "euclidean"; these see the embeddings as plain vectors.
        embeddings: "ball" if `forward` gets points of the ball, "tangent" if it gets Euclidean features.
        manifold_parameters: keep the proxies as points of the ball, a `geoopt.ManifoldParameter` for Riemannian
            optimisers, instead of tangent vectors at the origin; clip_r then bounds their start alone.
        k: number of neighbours K of the k-reciprocal relation ("official", "paper"; 20).
        per_anchor: triplets per anchor (50). In "default" (20) every level gets an equal part, rounded down, at least
            one.
        tau: temperature of the LCA draws ("official", "paper"; 0.1).
        margin: hinge margin (0.1; in "default" 1, spherical 0.25, euclidean 0.4).
        lca: "softmax", or "printed" for Eq. 7 to the letter, argmax(exp(-max d) + Gumbel noise), where the noise
            drowns the distances (on HIER's released example 0.45 % of the draws find the best of 256 proxies, where
            chance finds 0.39 %).
        reduction: "mean" over triplets (released), or "sum" (Eq. 9).
        attraction: weight of the proxies' attraction to their members ("default"; 2).
        balance: weight of the evenness with which a batch uses the proxies of a level ("default"; 1).
        warmup: training forward passes before the proxies start ("default"; 100), from the embeddings of the latest of
            them. The value is 0 until then, and until as many embeddings were seen as the finest level has proxies.
        sample_loss: "lca", or "triplet" for the control: a plain triplet loss on the same samples, which no proxy
            enters.

    Attributes:
        proxies: (P, d) parameter.
        ball: the learnable ball that was given as c, or None.

    Raises:
        ValueError: an argument is out of range or belongs to another mode; the message names it.
    """

    def __init__(
        self,
        embedding_size: int,
        num_proxies: int | None = None,
        *,
        mode: Mode = "default",
        levels: Sequence[int] | None = None,
        c: Curvature = 0.1,
        clip_r: float = 2.3,
        geometry: Geometry = "hyperbolic",
        embeddings: Literal["ball", "tangent"] = "ball",
        manifold_parameters: bool = False,
        k: int | None = None,
        per_anchor: int | None = None,
        tau: float | None = None,
        margin: float | None = None,
        lca: Literal["softmax", "printed"] | None = None,
        reduction: Literal["mean", "sum"] | None = None,
        attraction: float | None = None,
        balance: float | None = None,
        warmup: int | None = None,
        sample_loss: SampleLoss = "lca",
    ) -> None:
        super().__init__()
        given = {
            "num_proxies": num_proxies,
            "levels": levels,
            "k": k,
            "per_anchor": per_anchor,
            "tau": tau,
            "margin": margin,
            "lca": lca,
            "reduction": reduction,
            "attraction": attraction,
            "balance": balance,
            "warmup": warmup,
        }
        self.options = settle(mode, geometry, given)
        check_choice("embeddings", embeddings, ("ball", "tangent"))
        check_choice("sample_loss", sample_loss, ("lca", "triplet"))
        if not isinstance(embedding_size, int) or embedding_size < 1:
            raise ValueError(f"embedding_size must be a whole number of at least 1, got {embedding_size!r}")
        if manifold_parameters and geometry != "hyperbolic":
            raise ValueError(f"manifold_parameters need geometry='hyperbolic', got {geometry!r}")
        check_clip_radius(clip_r)
        self._c, self.ball = kept_curvature(c)
        if manifold_parameters and self.ball is not None:
            raise ValueError("manifold_parameters need a fixed curvature: points would leave a ball that shrinks")
        self.clip_r = clip_r
        self.mode = mode
        self.geometry = geometry
        self.embeddings = embeddings
        self.sample_loss = sample_loss
        self.start: RecentEmbeddings | None = None
        options = dict(self.options)
        if mode == "default":
            count = sum(options["levels"])
            size = PER_PROXY * options["levels"][-1]
            self.start = RecentEmbeddings(size, embedding_size, options.pop("warmup"))
            self._objective: Objective = Levelled(**options, sample_loss=sample_loss)
        else:
            count = options.pop("num_proxies")
            self._objective = Reciprocal(**options, sample_loss=sample_loss, as_released=mode == "official")
        self._space = create_space(geometry, self.ball or self._c, clip_r, as_released=mode == "official")
        self.manifold_parameters = manifold_parameters
        self.proxies = start_proxies(count, embedding_size, clip_r, self._c if manifold_parameters else None)
        self._seen_points = False
        self._seed: int | None = None
        self._generators: dict[torch.device, torch.Generator] = {}

    @property
    def c(self) -> float:
        """The curvature magnitude as it stands."""
        return self._c if self.ball is None else curvature_of(self.ball)

    def manual_seed(self, seed: int) -> HIER:
        """Restart the draws from a seed of their own, on every device; without it they use torch's global state.

        The same seed on all ranks of a distributed run makes their draws equal, on one kind of device. The seed is no
        part of the state: seed anew after resuming, best with a number derived from the step. The k-means start of
        mode "default" takes it too, or 0.
        """
        self._seed = seed
        self._generators.clear()
        return self

    def proxies_on_ball(self) -> Tensor:
        """(P, d) the proxies as points of the ball.

        Raises:
            ValueError: the geometry is not hyperbolic.
        """
        if self.geometry != "hyperbolic":
            raise ValueError(f"geometry={self.geometry!r} has no ball")
        return self.proxies if self.manifold_parameters else self._space.points(self.proxies)

    @torch.no_grad()
    def fit_proxies(self, embeddings: Tensor) -> HIER:
        """Start the proxies of mode "default" from embeddings (`hyperdml.hier.fit_proxies`), and end the warm-up.

        In a distributed run give the same embeddings on all ranks; only the start that ends a warm-up is shared.

        Args:
            embeddings: (N, d), of the kind that `forward` takes; N at least the size of the finest level.

        Raises:
            ValueError: the mode has no levels, or the embeddings are too few, of another width, or not finite.
        """
        if self.start is None:
            raise ValueError(f"mode={self.mode!r} has no levels to fit; hyperdml.hier.fit_proxies works for any model")
        self._check_shape(embeddings)
        points = self._points(embeddings)
        check_embeddings(points, self.options["levels"])
        self._start_from(self.start, points)
        return self

    def terms(self, embeddings: Tensor, labels: Tensor | None = None) -> HIERTerms:
        """The two parts of the objective.

        Args:
            embeddings: (N, d) points of the ball, or tangent vectors (constructor argument `embeddings`).
            labels: (N,) integer labels, for the label boost of "default" and "official"; None leaves it out.

        Returns:
            Loss of the samples and loss of the proxies. A part without a triplet is 0, and so are both during the
            warm-up.

        Raises:
            ValueError: shapes do not fit, or points are not in the ball (looked at in every batch on the CPU, in
                the first one elsewhere).
        """
        self._check_shape(embeddings)
        if labels is not None and labels.shape != embeddings.shape[:1]:
            raise ValueError(f"expected {len(embeddings)} labels, got shape {tuple(labels.shape)}")
        points = self._points(embeddings)
        if self.start is not None and not self.start.done:
            if self.training and torch.is_grad_enabled():
                self._warm_up(self.start, points)
            return HIERTerms(nothing(points), nothing(self.proxies))
        # in "default" the attraction must not move the proxies through a learned curvature either
        space = self._space if self.start is None else self._space.held()
        proxies = self.proxies if self.manifold_parameters else space.points(self.proxies)
        return self._objective(self._space, points, labels, proxies, self._generator(points.device))

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Sum of the two `terms`, a scalar."""
        terms = self.terms(embeddings, labels)
        return terms.samples + terms.proxies

    def extra_repr(self) -> str:
        """Constructor arguments, for print(module)."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return (
            f"embedding_size={self.proxies.shape[1]}, mode={self.mode!r}, geometry={self.geometry!r}, c={self.c}, "
            f"clip_r={self.clip_r}, {options}"
        )

    def meaning(self) -> dict[str, Any]:
        """What the proxies mean: stored with the state, and compared when one is loaded."""
        return {
            "mode": self.mode,
            "geometry": self.geometry,
            "c": self._c if self.ball is None else "learned",
            "clip_r": self.clip_r,
            "levels": list(self.options.get("levels", ())),
            "manifold_parameters": self.manifold_parameters,
        }

    def _check_shape(self, embeddings: Tensor) -> None:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.proxies.shape[1]:
            raise ValueError(f"expected (N, {self.proxies.shape[1]}) embeddings, got {tuple(embeddings.shape)}")

    def _points(self, embeddings: Tensor) -> Tensor:
        if self.embeddings == "tangent" or self.geometry != "hyperbolic":
            return self._space.points(embeddings)
        self._check_inside(embeddings)
        return embeddings

    def _check_inside(self, points: Tensor) -> None:
        """Look at every batch on the CPU; elsewhere, where a look costs a synchronisation, at the first alone."""
        if not len(points) or (self._seen_points and points.device.type != "cpu"):
            return
        c = self.c
        norm = float(upcast(points.detach()).norm(dim=1).max())
        if norm >= c**-0.5:  # not so for NaN, which is not a matter of spaces
            raise ValueError(
                f"an embedding has norm {norm:.4g}, outside the ball of radius {c**-0.5:.4g} (c={c:g}); map "
                "features with ToPoincare first, or construct HIER with embeddings='tangent'"
            )
        self._seen_points = True

    @torch.no_grad()
    def _warm_up(self, start: RecentEmbeddings, points: Tensor) -> None:
        """Remember the batch; when the warm-up ends on all ranks, start the proxies on the first for all."""
        start.add(points)
        if not start.over:
            return
        newest = start.newest()
        newest = newest[newest.isfinite().all(1)]  # a step that overflowed is the training loop's matter
        if all_agree(len(newest) >= self.options["levels"][-1], points.device):
            self._start_from(start, newest)
            if is_distributed():
                torch.distributed.broadcast(self.proxies.data, 0)

    def _start_from(self, start: RecentEmbeddings, points: Tensor) -> None:
        found = level_centroids(points, self.options["levels"], self._space, self._seed or 0)
        self.proxies.copy_(found if self.manifold_parameters else self._space.vectors(found))
        start.finish()

    def _generator(self, device: torch.device) -> torch.Generator | None:
        if self._seed is None:
            return None
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]
