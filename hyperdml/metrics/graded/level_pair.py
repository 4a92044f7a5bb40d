"""Levels of queries and of what they are searched in, checked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference, SearchSets
from hyperdml.metrics.labels import Levels, count_among, integers, nested_levels

ReferenceLevels = Levels | Sequence[Levels]


@dataclass(frozen=True)
class LevelPair:
    """Ids of queries and reference items, coarse to fine, nested over both.

    Attributes:
        query: (Q, L) int64.
        reference: (M, L) int64, on the same device.
        leave_one_out: query i is reference row i, and no neighbour of its own.
    """

    query: Tensor
    reference: Tensor
    leave_one_out: bool

    @classmethod
    def of(
        cls, points: Tensor, levels: Levels, reference: Sequence[Tensor], among: Sequence[Levels], leave_one_out: bool
    ) -> LevelPair:
        """Check the levels of (Q, ...) points and of the galleries `reference`; without galleries the points' own.

        Raises:
            ValueError: see `nested_levels`, which must hold over all of them together; or levels do not fit a gallery.
        """
        query = nested_levels(levels, points)
        if query.device.type == "mps":  # where float64, in which scores are computed, is missing
            query = query.cpu()
        if len(reference) != len(among):
            raise ValueError(f"got {len(reference)} galleries and {len(among)} matrices of levels")
        ids = [integers(part, "reference_levels").to(query.device) for part in among]
        for own, part in zip(ids, reference, strict=True):
            if own.shape != (len(part), query.shape[1]):
                raise ValueError(
                    f"reference_levels must be ({len(part)}, {query.shape[1]}) ids, a row for each reference point and "
                    f"as many levels as the queries have, got {tuple(own.shape)}"
                )
        if ids:
            both = torch.cat([query, *ids])
            nested_levels(both, both)  # no id under one parent among the queries and another in the reference
        return cls(query, torch.cat(ids) if ids else query, leave_one_out)

    @property
    def relevant(self) -> Tensor:
        """(Q, L) int64: how many reference items other than itself share at least 1, ..., L levels with each query."""
        columns = zip(self.query.T.contiguous(), self.reference.T.contiguous(), strict=True)
        counts = [count_among(own, among) for own, among in columns]
        return torch.stack(counts, 1) - int(self.leave_one_out)

    def shared(self, rows: Tensor, items: Tensor) -> Tensor:
        """(B, k) int16: how many levels the queries of (B,) `rows` share with the (B, k) reference rows `items`."""
        shared = torch.zeros(items.shape, dtype=torch.int16, device=items.device)
        for own, among in self._numbers:
            # on the CPU index_select is ten times faster than indexing
            shared += among.index_select(0, items.flatten()).view_as(items) == own[rows, None]
        return shared

    @cached_property
    def _numbers(self) -> list[tuple[Tensor, Tensor]]:
        """For each level, queries' and reference's ids numbered from 0, in half the memory."""
        levels = zip(self.query.T, self.reference.T, strict=True)
        numbers = [torch.cat(pair).unique(return_inverse=True)[1].int() for pair in levels]
        return [(both[: len(self.query)], both[len(self.query) :]) for both in numbers]


def level_sets(
    embeddings: Tensor,
    levels: Levels,
    reference: Reference | None,
    reference_levels: ReferenceLevels | None,
    ref_includes_query: bool,
) -> tuple[SearchSets, LevelPair]:
    """What a graded score searches, labelled with the finest level, and the levels.

    Raises:
        ValueError: see `LevelPair.of` and `SearchSets.of`; or one of `reference` and `reference_levels` is missing.
    """
    if (reference is None) != (reference_levels is None):
        raise ValueError("reference and reference_levels belong together: pass both or none")
    if reference is None or reference_levels is None:
        pair = LevelPair.of(embeddings, levels, [], [], True)
        return SearchSets.of(embeddings, pair.query[:, -1], None, None, False), pair
    parts = [reference] if isinstance(reference, Tensor) else list(reference)
    among = [reference_levels] if isinstance(reference, Tensor) else list(reference_levels)
    pair = LevelPair.of(embeddings, levels, parts, among, ref_includes_query)  # type: ignore[arg-type]
    fine = [integers(part, "reference_levels")[:, -1] for part in among]  # type: ignore[arg-type]
    return SearchSets.of(embeddings, pair.query[:, -1], parts, fine, ref_includes_query), pair
