"""Protocols of a search: who asks, what is searched, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels, count_among, point_labels

Reference = Tensor | Sequence[Tensor]
ReferenceLabels = Labels | Sequence[Labels]


@dataclass(frozen=True)
class SearchSets:
    """Queries and what they are searched in, labels as exact integers; the points are checked by the search itself.

    | protocol | reference | left out |
    |---|---|---|
    | leave-one-out within one set (CUB, Cars, SOP) | None: the queries themselves | query i itself, by its index |
    | query against gallery (In-Shop) | one tensor | nothing |
    | several galleries at once | a sequence of tensors: their union, indices counted on through it | nothing |
    | queries that are part of the gallery | any, with `ref_includes_query` | reference row i for query i |

    Attributes:
        query: (Q, d) points.
        query_labels: (Q,) int64.
        reference: (M, d) points on the queries' device.
        reference_labels: (M,) int64 on the queries' device.
        leave_one_out: query i is reference row i, and that row is left out of its own neighbours.
    """

    query: Tensor
    query_labels: Tensor
    reference: Tensor
    reference_labels: Tensor
    leave_one_out: bool

    @classmethod
    def of(
        cls,
        embeddings: Tensor,
        labels: Labels,
        reference: Reference | None,
        reference_labels: ReferenceLabels | None,
        ref_includes_query: bool,
    ) -> SearchSets:
        """The sets of a call.

        Raises:
            ValueError: labels are not integers or not one per point; one of `reference` and `reference_labels` is
                missing; galleries and their labels do not pair up or differ in dimension; or, with
                `ref_includes_query`, the first reference rows do not carry the queries' labels.
        """
        own = point_labels(labels, embeddings, "labels")
        if reference is None and reference_labels is None:
            return cls(embeddings, own, embeddings, own, True)
        if reference is None or reference_labels is None:
            raise ValueError("reference and reference_labels belong together: pass both or none")
        gallery, among = _union(reference, reference_labels)
        # detached, and so never the queries' own tensor: `reference is query` means leave-one-out within one set
        gallery, among = gallery.detach().to(embeddings.device), among.to(embeddings.device)
        if ref_includes_query:
            _check_first_rows(own, among)
        return cls(embeddings, own, gallery, among, ref_includes_query)

    @property
    def relevant(self) -> Tensor:
        """(Q,) int64: how many reference items share each query's label (the query itself not counted)."""
        return count_among(self.query_labels, self.reference_labels) - int(self.leave_one_out)

    @property
    def available(self) -> int:
        """How many items each query is compared with."""
        return len(self.reference) - int(self.leave_one_out)

    def check_ks(self, ks: Sequence[int], score: str) -> None:
        """Raise a ValueError unless every k is a number of items that are there."""
        if len(ks) == 0:
            raise ValueError("ks is empty: name at least one k")
        check_ks(ks, self.available, score, "the items that each query is compared with")


def check_ks(ks: Sequence[int], most: int, score: str, what: str) -> None:
    """Raise a ValueError naming the first k that is not a whole number from 1 to `most`."""
    for k in ks:
        if k != int(k) or not 1 <= k <= most:
            raise ValueError(f"{score}@{k} needs a whole number 1 <= k <= {most}, {what}")


def _union(reference: Reference, labels: ReferenceLabels) -> tuple[Tensor, Tensor]:
    """One gallery of one or several."""
    if isinstance(reference, Tensor):
        return reference, point_labels(labels, reference, "reference_labels")  # type: ignore[arg-type]
    if len(reference) == 0 or len(reference) != len(labels):
        raise ValueError(
            f"several galleries need one set of labels each, got {len(reference)} galleries and {len(labels)} sets of "
            "labels"
        )
    parts = list(zip(reference, labels, strict=True))
    found = [point_labels(own, part, f"reference_labels[{i}]") for i, (part, own) in enumerate(parts)]
    shapes = [tuple(part.shape) for part, _ in parts]
    if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes):
        raise ValueError(f"galleries must be (M, d) points of one dimension d, got {shapes}")
    home = parts[0][0].device
    return torch.cat([part.to(home) for part, _ in parts]), torch.cat([own.to(home) for own in found])


def _check_first_rows(own: Tensor, among: Tensor) -> None:
    if len(own) > len(among):
        raise ValueError(
            f"ref_includes_query says that query i is reference row i, but there are {len(own)} queries and "
            f"{len(among)} reference points"
        )
    differ = (own != among[: len(own)]).nonzero()
    if len(differ):
        row = int(differ[0])
        raise ValueError(
            f"ref_includes_query says that query i is reference row i, but row {row} has label {int(among[row])} "
            f"there and {int(own[row])} among the queries"
        )
