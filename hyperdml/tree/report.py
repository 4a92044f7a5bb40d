"""Is the tree that the proxies span real? Its scores against levels of a class tree, each beside its null models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.metrics.labels import Levels, level_titles, nested_levels
from hyperdml.metrics.trees.nulls import Score, compare, permutation, permuted_radii, random_directions
from hyperdml.metrics.trees.parent_array import ROOT
from hyperdml.tree.proxy_tree import proxy_tree
from hyperdml.tree.scores import (
    ancestor_correlation,
    level_information,
    level_pairs,
    level_purity,
    size_correlation,
)

_PAIRS = 1024  # for every number of shared levels

DIRECTIONS = "random directions"
RADII = "radii permuted"
LABELS = "labels shuffled"


@dataclass(frozen=True)
class ProxyTreeReport:
    """What `proxy_tree_report` found.

    Attributes:
        purity: level name to the dendrogram purity of its ids, against all three null models.
        nmi: level name to the normalised mutual information of nearest proxy and id, against random directions.
        lca_correlation: Spearman correlation between the radius of a pair's best common ancestor and the number of
            levels that the pair shares, against permuted radii; None if all pairs share the same number of levels.
        depth: edges between the origin and the deepest proxy.
        proxies: number of proxies.
        proxies_at_origin: how many of them hang from the origin.
        used_proxies: how many of them are nearest to some image.
        radius_size_correlation: Spearman correlation between radius and number of images below, over the proxies that
            have any; negative in a tree whose upper nodes lie near the origin. None if all have one radius or one size.
    """

    purity: dict[str, Score]
    nmi: dict[str, Score]
    lca_correlation: Score | None
    depth: int
    proxies: int
    proxies_at_origin: int
    used_proxies: int
    radius_size_correlation: float | None

    def lines(self) -> list[str]:
        """The report in plain words, one figure a line."""
        out = [
            f"proxies: {self.proxies}, {self.used_proxies} of them nearest to some image, {self.proxies_at_origin} "
            f"hanging from the origin; depth of the tree: {self.depth}"
        ]
        if self.depth == 1:
            out.append("Every proxy hangs from the origin: they form groups of images, but no tree.")
        for name, score in self.purity.items():
            out.append(score.line(f"dendrogram purity, {name}:"))
        for name, score in self.nmi.items():
            out.append(score.line(f"NMI of nearest proxy and {name}:"))
        if self.lca_correlation is not None:
            out.append(self.lca_correlation.line("radius of the common ancestor against levels shared, Spearman:"))
        if self.radius_size_correlation is not None:
            out.append(f"radius of a proxy against images below it, Spearman: {self.radius_size_correlation:.2f}")
        return out


@torch.no_grad()
def proxy_tree_report(
    points: Tensor,
    proxies: Tensor,
    levels: Levels,
    level_names: Sequence[str] | None = None,
    *,
    c: float,
    draws: int = 10,
    generator: torch.Generator | None = None,
) -> ProxyTreeReport:
    """Score the tree of `proxy_tree`, and the same of proxies or labels from which one thing has been taken away.

    Each null model keeps something: *random directions* the radii (does it matter where the proxies lie?), *radii
    permuted* the directions (do the radii say who is whose ancestor?), *labels shuffled* the whole tree (what do
    subtrees of these sizes give to any labels?). Any set of proxies can be scored, also centres that were fitted
    afterwards. The common ancestor of a pair is the candidate, proxy or origin, with the smallest distance to the
    farther of the two; pairs are drawn in equal numbers for every count of shared levels that occurs.

    Args:
        points: (N, d) points of the ball, the images.
        proxies: (P, d) points of the ball.
        levels: (N, L) integer ids, coarse to fine, nested.
        level_names: L names; "level 0", "level 1", ... without them.
        c: curvature magnitude.
        draws: draws from every null model, at least 2.
        generator: source of all draws; None draws from torch's global one.

    Returns:
        The report; `dataclasses.asdict` of it is ready for JSON.

    Raises:
        ValueError: see `proxy_tree`; draws below 2; level names or levels that do not fit (see `nested_levels`), or a
            level whose ids all occur once.
    """
    c = curvature_of(c)
    if draws < 2:
        raise ValueError(f"draws must be at least 2 for a standard deviation, got {draws}")
    x, z = points.detach().cpu().double(), proxies.detach().cpu().double()
    tree = proxy_tree(x, z, c)
    ids = nested_levels(levels, x)
    names = level_titles(level_names, ids.shape[1])
    pairs, shared = level_pairs(ids, _PAIRS, generator)
    purity: dict[str, list[list[float]]] = {DIRECTIONS: [], RADII: [], LABELS: []}
    information, correlation = [], []
    for _ in range(draws):
        random = proxy_tree(x, random_directions(z, generator), c)
        purity[DIRECTIONS].append(level_purity(random, ids))
        information.append(level_information(random, ids))
        moved = permuted_radii(z, generator)
        purity[RADII].append(level_purity(proxy_tree(x, moved, c), ids))
        correlation.append(ancestor_correlation(x, moved, pairs, shared, c))
        purity[LABELS].append(level_purity(tree, ids[permutation(len(ids), generator)]))
    lca = ancestor_correlation(x, z, pairs, shared, c)
    return ProxyTreeReport(
        purity=_per_level(names, level_purity(tree, ids), purity),
        nmi=_per_level(names, level_information(tree, ids), {DIRECTIONS: information}),
        lca_correlation=Score(lca, {RADII: compare(lca, correlation)}) if len(shared.unique()) > 1 else None,
        depth=int(tree.depths.max()),
        proxies=len(z),
        proxies_at_origin=int((tree.parents == ROOT).sum()),
        used_proxies=len(tree.leaf_parents.unique()),
        radius_size_correlation=size_correlation(tree, z, c),
    )


def _per_level(names: list[str], values: list[float], nulls: dict[str, list[list[float]]]) -> dict[str, Score]:
    """Scores by level name, from one value per level and, per null model, one row of such values per draw."""
    columns = {null: list(zip(*rows, strict=True)) for null, rows in nulls.items()}
    return {
        name: Score(value, {null: compare(value, column[level]) for null, column in columns.items()})
        for level, (name, value) in enumerate(zip(names, values, strict=True))
    }
