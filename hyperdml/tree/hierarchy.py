"""The hierarchy that embeddings hold: a tree, its scores beside null models and controls, the tree of the proxies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.metrics.trees.tree_scores import ParentsAndHeights, tree_scores
from hyperdml.metrics.trees.tree_scores_result import TRIPLETS, FigureRow, TreeScores
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy
from hyperdml.tree.control_trees import COSINE, EUCLIDEAN, FITTED, control_trees
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.extract import OVER_PROXIES, extract_tree
from hyperdml.tree.known_classes import KnownClasses, known_classes
from hyperdml.tree.null_trees import neighbour_graph, null_trees, scored_radii
from hyperdml.tree.report import ProxyTreeReport, proxy_tree_report

_METHODS = {
    "average": "Average linkage in hyperbolic distance",
    "hyphc": "Decoding of HypHC",
    "gromov": "Single linkage of Gromov products",
    "nearest_ancestor": "Tree of the nearest ancestors among the proxies",
    "lca": "Tree of the proxies by votes",
}
SMALL, FEW = 3000, 5  # points up to which trees of null models are grown as often as asked for; else so often


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """What `hierarchy_of` found.

    Attributes:
        tree: the tree over the embeddings; its leaves are named by the ids of the embeddings, where they have any.
        scores: figures beside null models and controls; without labels only those of distances and radii.
        proxies: report on the tree of the learned proxies; None without proxies or without labels.
    """

    tree: Dendrogram
    scores: TreeScores
    proxies: ProxyTreeReport | None

    def summary(self) -> str:
        """One paragraph that can be quoted: how the tree was made, its main figures, nulls, controls and the rest."""
        rows = {row.name: row for row in self.scores.rows()}
        chosen = [row for name, row in rows.items() if name.startswith(("dendrogram purity", TRIPLETS))]
        parts = [_quoted(row) for row in chosen or list(rows.values())[:1]]
        worse = [row.name for row in rows.values() if not row.beats]
        verdict = f"{len(worse)} of {len(rows)} figures are not" if worse else f"All {len(rows)} figures are"
        most = max(self.scores.draws.values())
        fewest = min(self.scores.draws.values())
        draws = f"{most}" if most == fewest else f"{fewest} to {most}"
        return (
            f"{_METHODS[self.tree.method]} over {self.scores.leaves:,} images, null models drawn {draws} times each: "
            f"{'; '.join(parts)}. {verdict} better than every null model by more than two standard deviations."
        )


@torch.no_grad()
def hierarchy_of(
    embeddings: EmbeddingSet,
    *,
    method: str = "average",
    taxonomy: Taxonomy | None = None,
    controls: Mapping[str, EmbeddingSet] | None = None,
    draws: int = 20,
    seed: int = 0,
) -> Hierarchy:
    """Grow a tree over embeddings and say how much of it is real.

    The tree is scored against the stored levels or a taxonomy, and against its own distances and its graph of 10
    nearest neighbours (`tree_scores`). Beside each figure stand null models, among them trees grown by the same method
    from random directions or permuted radii (`null_trees`), and controls: trees of the same points by cosine and in the
    tangent space (`control_trees`), and trees of the same method over other embeddings of the same images.

    Beyond 3,000 points trees of null models are grown 5 times at most, since that is what takes long; every other null
    model is drawn as often as asked for. The scores say how often.

    Args:
        embeddings: N points, at least 3, with levels or labels, and with proxies for methods over proxies.
        method: see `extract_tree`.
        taxonomy: what to score against instead of the stored levels; see `known_classes`.
        controls: other embeddings of the same images by name, as those of the other arms of a run. Those without
            proxies are left out of methods over proxies.
        draws: draws from every null model, at least 2.
        seed: of all draws.

    Returns:
        The tree, its scores, and the report on the proxies.

    Raises:
        ValueError: fewer than 3 points, draws below 2, an unknown method, one over proxies without proxies, controls of
            another number of points, or classes that do not fit (`known_classes`).
    """
    if len(embeddings) < 3:
        raise ValueError(f"a hierarchy needs 3 or more points, got {len(embeddings)}")
    for name, other in (controls or {}).items():
        if len(other) != len(embeddings):
            raise ValueError(f"control {name!r} has {len(other)} points, but the tree {len(embeddings)} leaves")
    known = known_classes(embeddings, taxonomy)
    generator = torch.Generator().manual_seed(derive_seed(seed, "hierarchy"))
    c, proxies = embeddings.c, _proxies(embeddings, method)
    points = embeddings.points.detach().cpu().double()
    tree = extract_tree(points, proxies, method, c=c, names=embeddings.ids, seed=seed)
    scores = tree_scores(
        tree.parents,
        tree.heights,
        labels=None if known is None else known.labels,
        taxonomy=None if known is None else known.taxonomy,
        level_names=None if known is None else known.level_names,
        points=points,
        c=c,
        radii=scored_radii(tree),
        similarities=neighbour_graph(points, c, generator),
        nulls=null_trees(points, proxies, c, method, seed=seed),
        controls=control_trees(points, c, method, seed=seed) | _others(controls or {}, method, seed),
        draws=draws,
        null_draws=draws if len(points) <= SMALL else min(draws, FEW),
        generator=generator,
    )
    return Hierarchy(tree, scores, _of_proxies(embeddings, known, draws, seed))


def _quoted(row: FigureRow) -> str:
    """A figure with all that it has to be read beside."""
    nulls = ", ".join(f"{null.name} {null.mean:.3f} ± {null.sd:.3f}" for null in row.nulls)
    own = (COSINE, EUCLIDEAN, FITTED)  # of the same embeddings
    controls = [f"by {name} {row.controls[name]:.3f}" for name in own if name in row.controls]
    return f"{row.name} {row.value:.3f} ({', '.join(filter(None, [nulls, *controls]))})"


def _proxies(embeddings: EmbeddingSet, method: str) -> Tensor | None:
    """The proxies, for a method over proxies."""
    if method not in OVER_PROXIES:
        return None
    if embeddings.proxies is None:
        raise ValueError(f"method {method!r} needs proxies, which these embeddings do not have")
    return embeddings.proxies.detach().cpu().double()


def _others(controls: Mapping[str, EmbeddingSet], method: str, seed: int) -> dict[str, ParentsAndHeights]:
    """Trees of the same method over other embeddings."""
    out: dict[str, ParentsAndHeights] = {}
    for name, other in controls.items():
        if method in OVER_PROXIES and other.proxies is None:
            continue
        tree = extract_tree(other.points, _proxies(other, method), method, c=other.c, seed=seed)
        out[name] = tree.parents, tree.heights
    return out


def _of_proxies(embeddings: EmbeddingSet, known: KnownClasses | None, draws: int, seed: int) -> ProxyTreeReport | None:
    """Report on the tree of the proxies, over the levels that some images share."""
    if known is None or embeddings.proxies is None or not len(embeddings.proxies):
        return None
    shared = [level for level, ids in enumerate(known.ids.T) if len(ids.unique()) < len(ids)]
    return proxy_tree_report(
        embeddings.points,
        embeddings.proxies,
        known.ids[:, shared],
        [known.level_names[level] for level in shared],
        c=embeddings.c,
        draws=draws if len(embeddings) <= SMALL else min(draws, FEW),
        generator=torch.Generator().manual_seed(derive_seed(seed, "tree nulls")),
    )
