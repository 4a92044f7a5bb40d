"""Laws of an exact nearest-neighbour search."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.testing.contract import Report
from hyperdml.testing.knn_case import METRICS, KNNCase, neighbours

_TIE = 1e-9  # relative difference of float64 distances below which either neighbour will do


def shape(case: KNNCase, report: Report) -> None:
    """(N, k) floating-point distances and (N, k) int64 rows of the reference, none twice."""
    x = case.spread
    for n, m, k in ((20, len(x), case.k), (1, 3, 1), (2, case.k, case.k)):
        with report.at(f"{n} queries, {m} references, k={k}"):
            distances, indices = case.search(x[:n], x[:m], False, k)
            for name, found in (("distances", distances), ("indices", indices)):
                if tuple(found.shape) != (n, k):
                    report.add(f"{name} have shape {tuple(found.shape)}, expected {(n, k)}")
                    return
            if not distances.dtype.is_floating_point or indices.dtype != torch.int64:
                report.add(f"got {distances.dtype} distances and {indices.dtype} indices, expected floats and int64")
            if int(indices.min()) < 0 or int(indices.max()) >= m:
                report.add(f"indices run from {int(indices.min())} to {int(indices.max())}")
                return
            for row, found in enumerate(indices.tolist()):
                if len(set(found)) < k:
                    report.add(f"query {row} has a neighbour twice: {found}")
                    break


def exactness(case: KNNCase, report: Report) -> None:
    """The neighbours are those of float64 brute force on points of mixed radii."""
    x, cut = case.spread, len(case.spread) // 3
    inputs = {
        "a reference of its own": (x[:cut], x[cut:], False),
        "queries from the reference": (x[:cut], x, False),
        "ref_includes_query": (x, x, True),
        "ref_includes_query, queries as first rows": (x[:cut], x, True),
    }
    for name, (query, reference, without_self) in inputs.items():
        with report.at(name):
            _nearest(case, query, reference, without_self, report)


def near_duplicates(case: KNNCase, report: Report) -> None:
    """So they are in clusters so dense that float32 products cannot order them."""
    _nearest(case, case.dense, case.dense, True, report)


def own_row(case: KNNCase, report: Report) -> None:
    """With `ref_includes_query` query i leaves out row i by its index, and keeps its duplicates."""
    x = case.doubled
    indices = case.search(x, x, True, case.k)[1]
    own = (indices == torch.arange(len(x))[:, None]).any(1)
    if own.any():
        row = int(own.nonzero()[0])
        report.add(f"query {row} is its own neighbour, beside its duplicates ({int(own.sum())} of {len(x)} queries)")
    _nearest(case, x, x, True, report)


def sorted_distances(case: KNNCase, report: Report) -> None:
    """Distances ascend."""
    d = case.search(case.spread, case.spread, True, case.k)[0]
    report.compare("distance", d, d.sort(dim=1).values, rtol=0)


def recomputed(case: KNNCase, report: Report) -> None:
    """Distances are those of the metric between query and neighbour: geodesic, ``1 - cos``, or ``|x - y|``."""
    for name, x in {"mixed radii": case.spread, "near-duplicates": case.dense}.items():
        with report.at(name):
            distances, indices = case.search(x, x, True, case.k)
            report.compare("distance", distances, case.truth(x, x, True).gather(1, indices), rtol=1e-5)


def rows(case: KNNCase, report: Report) -> None:
    """A query has the same neighbours alone and in a batch."""
    x = case.spread
    together = case.search(x[:12], x, False, case.k)
    for row in range(12):
        with report.at(f"query {row}"):
            alone = case.search(x[row : row + 1], x, False, case.k)
            report.compare("neighbour", alone[1][0], together[1][row], rtol=0)
            report.compare("distance", alone[0][0], together[0][row], rtol=1e-5)


def too_many(case: KNNCase, report: Report) -> None:
    """More neighbours than there are: an exception, or index -1 in the columns that are left over."""
    x = case.spread[:6]
    for without_self in (False, True):
        available = 6 - without_self
        k = available + 2
        with report.at(f"k={k} of {available}"):
            try:
                indices = case.search(x, x, without_self, k)[1]
            except Exception:  # whatever it is, the caller learns of it
                continue
            if tuple(indices.shape) != (6, k):
                report.add(f"no exception, and indices of shape {tuple(indices.shape)}")
            elif not (indices[:, available:] == -1).all() or (indices[:, :available] == -1).any():
                report.add(f"no exception, and the columns from {available} on are not -1: {indices[0].tolist()}")


def untouched(case: KNNCase, report: Report) -> None:
    """Query and reference are not changed."""
    query, reference = (x.to(case.device, copy=True) for x in (case.spread[:20], case.spread))
    case.knn(query, case.k, reference, False)
    report.compare("coordinate of the query", query, case.spread[:20], rtol=0)
    report.compare("coordinate of the reference", reference, case.spread, rtol=0)


def _nearest(case: KNNCase, query: Tensor, reference: Tensor, without_self: bool, report: Report) -> None:
    """A finding unless the true distances of the neighbours are the k smallest, in order."""
    indices = case.search(query, reference, without_self, case.k)[1]
    truth = case.truth(query, reference, without_self)
    best = truth.sort(dim=1).values[:, : case.k]
    found = truth.gather(1, indices.clamp(0, len(reference) - 1))
    wrong = ~((found - best).abs() <= _TIE * best)
    if not wrong.any():
        return
    share = float(wrong.any(1).double().mean())
    row, rank = (int(i) for i in wrong.nonzero()[0])
    message = (
        f"query {row}: neighbour {rank} is row {int(indices[row, rank])} at {float(found[row, rank]):.8g}, the true "
        f"one lies at {float(best[row, rank]):.8g}; {share:.0%} of the queries have wrong neighbours"
    )
    for other in METRICS:
        theirs = neighbours(case.truth(query, reference, without_self, other), case.k)
        if other != case.metric and float((indices == theirs).double().mean()) > 0.9:
            message += f"; these are the nearest by {other} distance"
    report.add(message)


KNN_LAWS = {
    "shape": shape,
    "exactness": exactness,
    "near-duplicates": near_duplicates,
    "own row": own_row,
    "sorted distances": sorted_distances,
    "recomputed distances": recomputed,
    "rows": rows,
    "k beyond the reference": too_many,
    "inputs untouched": untouched,
}
