"""Where the radii of embeddings and proxies lie, and whether the proxies can be ancestors at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, dist0, pairwise_distance
from hyperdml.geometry.maps import margin
from hyperdml.metrics.result import Labels, point_labels

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
_BLOCK = 2_000_000  # float64 distances at once, 16 MB
_MOSTLY = 0.95
_ALL = 0.9995


@dataclass(frozen=True)
class RadiusReport:
    """What `radius_report` found; radii are hyperbolic distances to the origin.

    Attributes:
        clipped_fraction: share of embeddings at the clip radius; None without `clip_r`.
        embedding_radius: the quantiles `QUANTILES` of the embeddings' radii.
        proxy_radius: the same of the proxies; None without proxies.
        proxy_radius_std: standard deviation of the proxies' radii; None without proxies.
        origin_lca_fraction: share of pairs of embeddings for which the origin beats every proxy as lowest common
            ancestor; None without proxies.
        origin_lca_fraction_same_label: the same over pairs that share a label; None without proxies or labels.
    """

    clipped_fraction: float | None
    embedding_radius: tuple[float, ...]
    proxy_radius: tuple[float, ...] | None
    proxy_radius_std: float | None
    origin_lca_fraction: float | None
    origin_lca_fraction_same_label: float | None

    def lines(self) -> list[str]:
        """The report in plain words, one sentence or figure a line."""
        out = [f"embedding radius: {_figures(self.embedding_radius)}"]
        if self.clipped_fraction is not None:
            out.append(f"clipped embeddings: {self.clipped_fraction:.1%}")
            if self.clipped_fraction >= _MOSTLY:
                whole = "The images" if self.clipped_fraction >= _ALL else "Nearly all images"
                out.append(
                    f"{whole} lie on one sphere around the origin: there hyperbolic and cosine ranking agree, and only "
                    "proxies carry radii."
                )
        if self.proxy_radius is not None:
            out.append(f"proxy radius: {_figures(self.proxy_radius)}, standard deviation {self.proxy_radius_std:.3f}")
        if self.origin_lca_fraction is not None:
            out.append(f"pairs whose best common ancestor is the origin: {self.origin_lca_fraction:.1%}")
        if self.origin_lca_fraction_same_label is not None:
            out.append(f"the same among pairs of one label: {self.origin_lca_fraction_same_label:.1%}")
        if self.origin_lca_fraction is not None and self.origin_lca_fraction >= _MOSTLY:
            within = self.origin_lca_fraction_same_label
            out.append(
                "For nearly every pair the origin beats every proxy as common ancestor: the proxies hold no tree."
                if within is None or within >= _MOSTLY
                else "Proxies are ancestors within labels; above these the origin beats them for nearly every pair."
            )
        return out


@torch.no_grad()
def radius_report(
    embeddings: Tensor,
    proxies: Tensor | None = None,
    *,
    c: float,
    clip_r: float | None = None,
    pairs: int = 4096,
    generator: torch.Generator | None = None,
    labels: Labels | None = None,
) -> RadiusReport:
    """Radii of embeddings and proxies, and the share of pairs for which the origin is the best common ancestor.

    An embedding is clipped if its distance to the origin is at least ``2 clip_r (1 - 1e-4)``, since
    ``d(0, expmap0(u)) = 2 |u|`` (or at the margin that float32 points keep from the rim, if that is nearer). For a
    pair (i, j) the origin is at least as good a lowest common ancestor as every proxy if
    ``max(d(i,0), d(j,0)) <= min_p max(d(i,p), d(j,p))`` (what HIER's draw of an ancestor weighs, Kim et al., CVPR 2023,
    without its noise).

    Args:
        embeddings: (N, d) points of the ball.
        proxies: (P, d) points of the ball, or None.
        c: curvature magnitude, the ball has curvature -c.
        clip_r: radius at which tangent vectors were clipped, or None.
        pairs: pairs (i != j) to draw, with replacement.
        generator: source of the draw; None draws from torch's global one.
        labels: (N,) labels, to look at pairs of one label as well.

    Returns:
        The report.

    Raises:
        ValueError: fewer than two embeddings with proxies given, no embeddings at all, widths that differ, pairs
            below 1, clip_r not positive, or labels that are not one per embedding.
    """
    c = curvature_of(c)
    _check(embeddings, proxies, clip_r, pairs)
    embeddings = embeddings.detach().cpu().double()
    radius = dist0(embeddings, c)
    clipped = None if clip_r is None else float((radius >= _clip_radius(clip_r, c) * (1 - 1e-4)).double().mean())
    if proxies is None:
        return RadiusReport(clipped, _quantiles(radius), None, None, None, None)
    proxies = proxies.detach().to(embeddings)
    proxy_radius = dist0(proxies, c)
    one_class = torch.zeros(len(embeddings), dtype=torch.int64)
    ids = None if labels is None else point_labels(labels, embeddings, "labels")
    shares = [
        None if ids is None else _origin_share(embeddings, proxies, radius, _draw(ids, pairs, generator), c)
        for ids in (one_class, ids)
    ]
    return RadiusReport(
        clipped, _quantiles(radius), _quantiles(proxy_radius), float(proxy_radius.std(correction=0)), *shares
    )


def _clip_radius(clip_r: float, c: float) -> float:
    """Hyperbolic radius of clipped points: 2 clip_r, unless float32 keeps them further from the rim (`project`)."""
    return min(2 * clip_r, 2 / math.sqrt(c) * math.atanh(1 - margin(torch.float32)))


def _origin_share(
    embeddings: Tensor, proxies: Tensor, radius: Tensor, drawn: tuple[Tensor, Tensor], c: float
) -> float | None:
    """Share of the pairs for which the origin is at least as good an ancestor as every proxy; None without pairs."""
    if len(drawn[0]) == 0:
        return None
    step = max(1, _BLOCK // (2 * len(proxies)))
    wins = 0
    for i, j in zip(drawn[0].split(step), drawn[1].split(step), strict=True):
        left, right = pairwise_distance(embeddings[i], proxies, c), pairwise_distance(embeddings[j], proxies, c)
        best = torch.maximum(left, right).amin(1)
        wins += int((torch.maximum(radius[i], radius[j]) <= best).sum())
    return wins / len(drawn[0])


def _draw(ids: Tensor, pairs: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Random pairs i != j of one id: i uniform among the items that have a partner, j uniform among its partners."""
    _, group, sizes = ids.unique(return_inverse=True, return_counts=True)
    order = group.argsort(stable=True)
    first = sizes.cumsum(0) - sizes
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    able = (sizes[group] > 1).nonzero().squeeze(1)
    if len(able) == 0:
        return able, able
    device = "cpu" if generator is None else generator.device
    unit = torch.rand(2, pairs, generator=generator, device=device, dtype=torch.float64).cpu()
    i = able[(unit[0] * len(able)).long()]
    size, start = sizes[group[i]], first[group[i]]
    step = 1 + (unit[1] * (size - 1)).long()
    return i, order[start + (place[i] - start + step) % size]


def _quantiles(radius: Tensor) -> tuple[float, ...]:
    return tuple(torch.quantile(radius, torch.tensor(QUANTILES, dtype=radius.dtype)).tolist())


def _figures(quantiles: tuple[float, ...]) -> str:
    names = ("least", "10%", "median", "90%", "largest")
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(names, quantiles, strict=True))


def _check(embeddings: Tensor, proxies: Tensor | None, clip_r: float | None, pairs: int) -> None:
    least = 1 if proxies is None else 2
    if embeddings.ndim != 2 or len(embeddings) < least:
        raise ValueError(f"embeddings must be (N, d) with N >= {least}, got {tuple(embeddings.shape)}")
    if proxies is not None and (proxies.ndim != 2 or len(proxies) == 0 or proxies.shape[1] != embeddings.shape[1]):
        raise ValueError(f"proxies must be (P, {embeddings.shape[1]}) with P >= 1, got {tuple(proxies.shape)}")
    if clip_r is not None and not clip_r > 0:
        raise ValueError(f"clip_r must be positive, got {clip_r}")
    if pairs < 1:
        raise ValueError(f"pairs must be at least 1, got {pairs}")
