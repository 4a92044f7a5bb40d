"""Where the radii of embeddings and proxies lie, whether the proxies can be ancestors at all, and how they are used."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, dist0
from hyperdml.geometry.maps import margin
from hyperdml.metrics.labels import Labels, point_labels
from hyperdml.metrics.partition import normalized_mutual_information, usage_entropy
from hyperdml.metrics.trees.lca import best_ancestor, draw_pairs, nearest_proxy, uniform
from hyperdml.metrics.trees.nulls import compare, random_directions
from hyperdml.metrics.trees.parent_array import ROOT
from hyperdml.metrics.trees.radius_result import QUANTILES, RadiusReport

_DRAWS = 5  # of random proxies


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
    """Radii of embeddings and proxies, and what the proxies do: as ancestors of pairs, and as nearest proxies.

    An embedding is clipped if its distance to the origin is at least ``2 clip_r (1 - 1e-4)``, since
    ``d(0, expmap0(u)) = 2 |u|`` (or at the margin that float32 points keep from the rim, if that is nearer). For a
    pair (i, j) the origin is at least as good a lowest common ancestor as every proxy if
    ``max(d(i,0), d(j,0)) <= min_p max(d(i,p), d(j,p))`` (what HIER's draw of an ancestor weighs, Kim et al., CVPR 2023,
    without its noise). Radii of ancestors are those of the best proxy, the origin left aside as in HIER.

    Args:
        embeddings: (N, d) points of the ball.
        proxies: (P, d) points of the ball, or None.
        c: curvature magnitude, the ball has curvature -c.
        clip_r: radius at which tangent vectors were clipped, or None.
        pairs: pairs (i != j) to draw, with replacement.
        generator: source of all draws (pairs, pairs of one label, third members, random proxies, in this order); None
            draws from torch's global one.
        labels: (N,) labels, to look at pairs of one label as well, and to compare nearest proxies with labels.

    Returns:
        The report.

    Raises:
        ValueError: fewer than two embeddings with proxies given, no embeddings at all, widths that differ, pairs
            below 1, clip_r not positive, or labels that are not one per embedding.
    """
    c = curvature_of(c)
    _check(embeddings, proxies, clip_r, pairs)
    x = embeddings.detach().cpu().double()
    radius = dist0(x, c)
    clipped = None if clip_r is None else float((radius >= _clip_radius(clip_r, c) * (1 - 1e-4)).double().mean())
    if proxies is None:
        return RadiusReport(clipped, _quantiles(radius), None, None, None, None)
    proxies = proxies.detach().to(x)
    proxy_radius = dist0(proxies, c)
    ids = None if labels is None else point_labels(labels, x, "labels")
    some = draw_pairs(torch.zeros(len(x), dtype=torch.int64), pairs, generator)
    alike = some[:0] if ids is None else draw_pairs(ids, pairs, generator)
    nearest = nearest_proxy(x, proxies, c)
    usage = torch.bincount(nearest, minlength=len(proxies))
    pair, triple = _ancestor_radii(x, proxies, proxy_radius, alike, generator, c)
    nmi = null = None
    if ids is not None:
        nmi, draws = normalized_mutual_information(nearest, ids), []
        for _ in range(_DRAWS):
            random = nearest_proxy(x, random_directions(proxies, generator), c)
            draws.append(normalized_mutual_information(random, ids))
        null = compare(nmi, draws)
    return RadiusReport(
        clipped,
        _quantiles(radius),
        _quantiles(proxy_radius),
        float(proxy_radius.std(correction=0)),
        _origin_share(x, proxies, some, c),
        _origin_share(x, proxies, alike, c),
        proxies=len(proxies),
        used_proxies=int((usage > 0).sum()),
        usage_entropy=usage_entropy(usage),
        pair_lca_radius=pair,
        triple_lca_radius=triple,
        nmi=nmi,
        random_nmi=None if null is None else null.mean,
        random_nmi_sd=None if null is None else null.sd,
    )


def _clip_radius(clip_r: float, c: float) -> float:
    """Hyperbolic radius of clipped points: 2 clip_r, unless float32 keeps them further from the rim (`project`)."""
    return min(2 * clip_r, 2 / math.sqrt(c) * math.atanh(1 - margin(torch.float32)))


def _origin_share(x: Tensor, proxies: Tensor, pairs: Tensor, c: float) -> float | None:
    """Share of the pairs for which the origin is at least as good an ancestor as every proxy; None without pairs."""
    if len(pairs) == 0:
        return None
    return float((best_ancestor(x, proxies, pairs, c, origin=True) == ROOT).double().mean())


def _ancestor_radii(
    x: Tensor, proxies: Tensor, proxy_radius: Tensor, pairs: Tensor, generator: torch.Generator | None, c: float
) -> tuple[float | None, float | None]:
    """Mean radius of the best proxy of the pairs, and of the pairs with a third member; None without either."""
    if len(pairs) == 0 or len(x) < 3:
        return None, None
    third = (uniform((len(pairs),), generator) * (len(x) - 2)).long()
    for member in pairs.sort(dim=1).values.T:  # counted among those that are not in the pair
        third += third >= member
    triples = torch.cat([pairs, third[:, None]], 1)
    pair, triple = (float(proxy_radius[best_ancestor(x, proxies, m, c)].mean()) for m in (pairs, triples))
    return pair, triple


def _quantiles(radius: Tensor) -> tuple[float, ...]:
    return tuple(torch.quantile(radius, torch.tensor(QUANTILES, dtype=radius.dtype)).tolist())


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
