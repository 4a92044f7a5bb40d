"""Queries and their nearest images, chosen and judged: what grids of images show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.data.query_gallery import SearchRows, search_rows
from hyperdml.errors import ConfigError, DataError
from hyperdml.metrics.galleries import SearchSets
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.seeds import derive_seed
from hyperdml.viz.groups import class_groups, super_groups

Choice = Literal["best", "worst", "random", "changed"]
SAME, NEAR, OTHER = "same", "near", "other"
_RANKED = 2000  # queries whose rankings are made to choose from; 60,000 items cost a few seconds then


@dataclass(frozen=True, eq=False)
class GridRows:
    """Queries with their nearest images.

    Attributes:
        queries: (Q,) int64 rows of the set, those that ask.
        found: (Q, k) int64 rows of the set, nearest first, equal distances by row; the query itself is left out.
        distances: (Q, k) hyperbolic distances.
        agreement: (Q, k) texts: `SAME` class as the query, `NEAR` (another class of the same super-class) or `OTHER`;
            None without labels.
        level: name of the level that `NEAR` means; None without levels above the class.
        precision: (Q,) average precision of the whole ranking of each query, where queries were chosen by it; NaN
            where no other image has the class; None where they were not.
        words: how the queries were chosen, in words for a caption.
    """

    queries: np.ndarray
    found: np.ndarray
    distances: np.ndarray
    agreement: np.ndarray | None
    level: str | None
    precision: np.ndarray | None
    words: str


def retrieval_rows(
    embeddings: EmbeddingSet,
    *,
    queries: Choice | Sequence[int] | np.ndarray = "random",
    count: int = 8,
    k: int = 4,
    level: str | None = None,
    against: EmbeddingSet | None = None,
    seed: int = 0,
) -> GridRows:
    """Choose queries, find their nearest images by exact search in hyperbolic distance, and judge them.

    The protocol is that of the set: its queries in its gallery, or every image among all others.

    Args:
        embeddings: the points; labels are needed by all choices but "random" and rows.
        queries: "best" and "worst" by average precision of the whole ranking, one query a class as far as there are
            classes, equal ones in random order; "changed", where the average precision under `against` differs most;
            "random"; or rows of the set. Of more than 2,000 queries the choice is made among 2,000 drawn at random.
        count: how many queries; not used with rows.
        k: nearest images a query.
        level: level above the class within which a wrong image counts as near; by default the coarsest.
        against: the same images under another model, for "changed".
        seed: of the draws.

    Returns:
        The rows.

    Raises:
        ValueError: an unknown choice, rows that are no integers, `count` or k below 1, or more neighbours than there
            are images.
        ConfigError: a row that is not one of a query, "changed" without `against`, or no level of this name.
        DataError: labels are needed and missing.
    """
    who = _protocol(embeddings)
    _check(queries, count, k, who)
    precision, words = None, "as given"
    if not isinstance(queries, str):
        rows = _given(queries, who)
    elif queries == "random":
        rows = np.sort(_order(who.queries, seed)[:count])
        words = f"{len(rows)} drawn at random (seed {seed})"
    else:
        rows, precision, words = _by_precision(embeddings, who, queries, count, against, seed)
    found, distances = _nearest(embeddings, who, rows, k)
    agreement, name = None, None
    if embeddings.labels is not None:
        agreement, name = _judged(embeddings, rows, found, level)
    return GridRows(rows, found, distances, agreement, name, precision, words)


def _protocol(embeddings: EmbeddingSet) -> SearchRows:
    if embeddings.queries is None or embeddings.gallery is None:
        everything = np.arange(len(embeddings))
        return SearchRows(everything, everything, True)
    return search_rows(embeddings.queries.cpu(), embeddings.gallery.cpu())


def _check(queries: Choice | Sequence[int] | np.ndarray, count: int, k: int, who: SearchRows) -> None:
    if isinstance(queries, str) and queries not in ("best", "worst", "random", "changed"):
        raise ValueError(f"queries must be 'best', 'worst', 'random', 'changed' or rows, got {queries!r}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    available = len(who.gallery) - who.includes_queries
    if not 1 <= k <= available:
        raise ValueError(f"k={k} nearest images were asked for, expected 1 to {available}: so many are searched")


def _given(queries: Sequence[int] | np.ndarray, who: SearchRows) -> np.ndarray:
    rows = np.asarray(queries)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise ValueError(f"rows of queries must be a list of integers, got {queries!r}")
    strange = rows[~np.isin(rows, who.queries)]
    if len(strange):
        raise ConfigError(f"row {strange[0]} is not one of the {len(who.queries)} queries")
    return rows.astype(np.int64)


def _order(rows: np.ndarray, seed: int) -> np.ndarray:
    found: np.ndarray = np.random.default_rng(derive_seed(seed, "queries of a grid")).permutation(rows)
    return found


def _by_precision(
    embeddings: EmbeddingSet, who: SearchRows, choice: str, count: int, against: EmbeddingSet | None, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    classes = class_groups(embeddings).ids
    some = _order(who.queries, seed)[:_RANKED]
    precision = average_precisions(embeddings, who, some)
    if choice == "changed":
        if against is None:
            raise ConfigError("queries='changed' needs a second model of the same images to compare with")
        change = precision - average_precisions(against, who, some)
        key, words = -np.abs(change), "those whose average precision differs most between the two"
    else:
        key = -precision if choice == "best" else precision
        words = f"those of the {'highest' if choice == 'best' else 'lowest'} average precision"
    if np.isnan(key).all():
        raise DataError("no query has another image of its class to be found: there is nothing to choose by")
    order = np.argsort(key, kind="stable")  # NaN, of queries that cannot be answered, come last
    order = order[~np.isnan(key[order])]
    first = np.unique(classes[some[order]], return_index=True)[1]
    once = np.isin(np.arange(len(order)), first)
    order = np.concatenate([order[once], order[~once]])[:count]
    words += ", one a class" if once.sum() >= len(order) else ""
    words += f", of {_RANKED:,} queries drawn at random" if len(who.queries) > _RANKED else ""
    return some[order], precision[order], words


def average_precisions(embeddings: EmbeddingSet, who: SearchRows, rows: np.ndarray) -> np.ndarray:
    """(R,) average precision of the whole rankings of some queries; NaN where no other image has the class."""
    labels = embeddings.labels
    if labels is None:
        raise DataError("these embeddings have no labels to score by")
    searched = who.gallery
    if who.includes_queries:  # then query i has to be row i of what is searched
        searched = np.concatenate([rows, np.setdiff1d(who.gallery, rows)])
    asks, among = torch.from_numpy(rows), torch.from_numpy(searched)
    points, ids = embeddings.points.cpu(), labels.cpu()
    sets = SearchSets.of(points[asks], ids[asks], points[among], ids[among], who.includes_queries)
    (found,) = score_queries(sets, sets.available, embeddings.c, "hyperbolic", per_query.average_precision)
    return found.cpu().numpy()


def _nearest(embeddings: EmbeddingSet, who: SearchRows, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of the gallery and their distances, the query itself taken out."""
    points = embeddings.points.cpu()
    knn = HyperbolicKNN(embeddings.c)
    distances, places = knn(points[rows], k + who.includes_queries, points[torch.from_numpy(who.gallery)])
    found = who.gallery[places.numpy()]
    if not who.includes_queries:
        return found, distances.numpy()
    # a query with duplicates may not be among its own nearest: then the last one goes
    other = found != rows[:, None]
    other[other.all(1), -1] = False
    return found[other].reshape(-1, k), distances.numpy()[other].reshape(-1, k)


def _judged(
    embeddings: EmbeddingSet, rows: np.ndarray, found: np.ndarray, level: str | None
) -> tuple[np.ndarray, str | None]:
    classes = class_groups(embeddings).ids
    agreement = np.where(classes[found] == classes[rows][:, None], SAME, OTHER)
    groups = super_groups(embeddings, level)
    if groups is None:
        return agreement, None
    near = (groups.ids[found] == groups.ids[rows][:, None]) & (agreement == OTHER)
    agreement[near] = NEAR
    return agreement, groups.level
