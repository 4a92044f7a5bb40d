"""The ten nearest neighbours: time to build and to search, peak memory, and recall against float64, of several ways.

    python benchmarks/search.py

Prints the tables and writes docs/results/search.md and search.json. Sets have the sizes of CUB-200-2011 (5,924 test
images), In-Shop (14,218 queries, 12,612 gallery), Stanford Online Products (60,502, the first 10,000 of which are the
queries) and a million points with 10,000 queries; d = 128 and 512, the million with 128 and mixed radii only; c = 0.1.
Points lie about a class tree, all at tangent norm 2.3 as in a model whose clipping saturates (one radius), or at norms
between 0.1 and 2.3 (mixed radii). The ways:

- this package: exact on FAISS, exact on torch (up to 20,000 points), approximate by default and at other probes
- plain FAISS IndexFlatIP over the float32 lift, without the second look
- FAISS IVF by inner product on the raw lift: the trap
- FAISS IVF and HNSW by L2 on the lift, time coordinate centred, with the coordinate that makes all norms equal
- pytorch-metric-learning's FaissKNN, which is Euclidean, and this package's exact search by cosine

Recall@10 is the share of the ten nearest that were found, on a sample of queries, against float64 distances.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import torch
from measure import MIB, machine, peak_here, peak_memory
from publish import publish
from torch import Tensor

from hyperdml.geometry import expmap0, lift
from hyperdml.neighbors import make_knn
from hyperdml.neighbors.ivf import IVF
from hyperdml.neighbors.pool import float64_pool
from hyperdml.neighbors.spaces import Hyperbolic
from hyperdml.training.tables import markdown_table

C, CLIP, K = 0.1, 2.3, 10
CHECKED = 500  # queries of which the recall is taken
TORCH_UP_TO = 20_000  # points; beyond, these rows take too long for a table
HNSW_UP_TO = 10_000_000  # numbers
AT_A_MILLION = (
    "this package, exact",
    "this package, approximate",
    "FAISS IndexFlatIP on the lift",
    "FAISS IVF, L2 on the reduced lift, 128 probes",
)
SLOW = 5.0  # seconds of a search that is not repeated
PROBES = (8, 32, 128)
RADII = ("one radius", "mixed radii")
INTRODUCTION = """The ten nearest neighbours of every query. Points lie about a class tree, c = 0.1, all at tangent norm
2.3 (one radius: hyperbolic, cosine and Euclidean neighbours are then the same) or at norms between 0.1 and 2.3 (mixed
radii). Recall@10 is against float64 hyperbolic distances. Time to build includes the choice of probes; memory is the
peak of building and searching beyond the points themselves. FAISS IVF has as many lists as ours, or N / 40 where ours
are none, and visits 32 or 128 of them. Memory was taken on mixed radii."""
Search = Callable[[], tuple[Any, Tensor]]


@dataclass(frozen=True)
class Set:
    """A size: the first `asked` points are the queries where `queries` is None, each left out of its own result."""

    name: str
    points: int
    queries: int | None = None
    asked: int = 10_000


SETS = [Set("CUB", 5_924), Set("In-Shop", 12_612, 14_218), Set("SOP", 60_502), Set("1M", 1_000_000, 10_000)]


@functools.lru_cache(maxsize=1)
def data(case: Set, d: int, radii: str) -> tuple[Tensor, Tensor]:
    """(N, d) queries and (M, d) points, float32: classes of five in a tree of twelve branches, made block by block."""
    total = case.points + (case.queries or 0)
    rng = np.random.default_rng(0)
    classes = max(1, total // 5)
    top = rng.standard_normal((12, d), np.float32)
    middle = top[rng.integers(12, size=classes // 20 + 1)]
    middle = middle + 0.8 * rng.standard_normal(middle.shape, np.float32)
    centres = middle[rng.integers(len(middle), size=classes)] + 0.7 * rng.standard_normal((classes, d), np.float32)
    labels = torch.from_numpy(rng.permutation(total) % classes)
    found = torch.empty(total, d)
    for start in range(0, total, 100_000):
        rows = slice(start, start + 100_000)
        x = torch.from_numpy(centres)[labels[rows]]
        x = torch.nn.functional.normalize(x + torch.from_numpy(rng.standard_normal(x.shape, np.float32))).double()
        norm = rng.uniform(0.1, CLIP, (len(x), 1)) if radii == "mixed radii" else np.full((len(x), 1), CLIP)
        found[rows] = expmap0(x * torch.from_numpy(norm), C).float()
    if case.queries is None:
        return found[: case.asked], found
    return found[case.points :], found[: case.points]


def lifted(x: Tensor, query: bool) -> np.ndarray:
    """Float32 Lorentz lift; the time coordinate of queries is negated."""
    z = torch.cat([lift(rows.double(), C) for rows in x.split(65_536)])
    if query:
        z[:, -1].neg_()
    return z.float().numpy()


def reduced(x: Tensor, points: Tensor, query: bool) -> np.ndarray:
    """The lift with centred time and one coordinate more, so that L2 orders as the inner product does."""
    z = lifted(x, query)
    if query:
        return np.concatenate([z, np.zeros((len(z), 1), np.float32)], 1)
    z[:, -1] -= z[:, -1].mean()
    square = (z.astype(np.float64) ** 2).sum(1, keepdims=True)
    return np.concatenate([z, np.sqrt(square.max() - square).astype(np.float32)], 1)


def drop_self(ids: np.ndarray, leave_out: bool) -> Tensor:
    """The first K columns without the query's own row."""
    found = torch.from_numpy(ids)
    if not leave_out:
        return found[:, :K]
    own = found == torch.arange(len(found))[:, None]
    own[~own.any(1), -1] = True
    return found[~own].view(len(found), -1)


def ours(query: Tensor, points: Tensor, leave_out: bool, metric: str = "hyperbolic", **options: Any) -> Search:
    """A search of this package, built."""
    knn = make_knn(metric, C, **options)
    knn.train(points)
    return lambda: knn(query, K, None, leave_out)


def plain(query: Tensor, points: Tensor, leave_out: bool, kind: str, probes: int = 32) -> Search:
    """A FAISS index, built."""
    lists = IVF().lists_for(len(points)) or max(1, len(points) // 40)
    base = reduced(points, points, False) if "reduced" in kind else lifted(points, False)
    width = base.shape[1]
    metric = faiss.METRIC_L2 if "reduced" in kind else faiss.METRIC_INNER_PRODUCT
    if kind == "flat":
        index = faiss.IndexFlatIP(width)
    elif kind == "HNSW, reduced":
        index = faiss.IndexHNSWFlat(width, 32, metric)
        index.hnsw.efConstruction, index.hnsw.efSearch = 100, 256
    else:
        index = faiss.index_factory(width, f"IVF{lists},Flat", metric)
        index.cp.max_points_per_centroid, index.cp.min_points_per_centroid, index.cp.niter = 64, 1, 8
        index.nprobe = probes
        index.train(base)
    index.add(base)
    vectors = reduced(query, points, True) if "reduced" in kind else lifted(query, True)
    return lambda: (None, drop_self(index.search(vectors, K + leave_out)[1], leave_out))


def pml(query: Tensor, points: Tensor, leave_out: bool) -> Search:
    """The search of pytorch-metric-learning."""
    from pytorch_metric_learning.utils.inference import FaissKNN

    knn = FaissKNN(reset_before=False, reset_after=False)
    knn.train(points)
    return lambda: knn(query, K, None, leave_out)


WAYS: dict[str, Callable[[Tensor, Tensor, bool], Search]] = {
    "this package, exact": functools.partial(ours, engine="faiss"),
    "this package, exact, torch": functools.partial(ours, engine="torch"),
    "this package, approximate": functools.partial(ours, approximate=True),
    **{f"this package, approximate, {p} probes": functools.partial(ours, approximate=IVF(probes=p)) for p in PROBES},
    "FAISS IndexFlatIP on the lift": functools.partial(plain, kind="flat"),
    "FAISS IVF, inner product on the lift": functools.partial(plain, kind="IVF"),
    "FAISS IVF, L2 on the reduced lift": functools.partial(plain, kind="IVF, reduced"),
    "FAISS IVF, L2 on the reduced lift, 128 probes": functools.partial(plain, kind="IVF, reduced", probes=128),
    "FAISS HNSW, L2 on the reduced lift": functools.partial(plain, kind="HNSW, reduced"),
    "pytorch-metric-learning FaissKNN (Euclidean)": pml,
    "this package, exact by cosine": functools.partial(ours, metric="cosine", engine="faiss"),
}


def skipped(way: str, case: Set, d: int) -> str | None:
    """Why a way is not tried on a set."""
    if way.endswith(", torch") and case.points > TORCH_UP_TO:
        return "too slow here"
    if "HNSW" in way and case.points * d > HNSW_UP_TO:
        return "too slow to build here"
    if case.points >= 1_000_000 and way not in AT_A_MILLION:
        return "left out at this size"
    if ", approximate" in way:
        return None if IVF().lists_for(case.points) else "exact below 20,000 points"
    return None


def truth(query: Tensor, points: Tensor, leave_out: bool) -> Tensor:
    """(CHECKED, K) nearest rows in float64, of the first queries."""
    query = query[:CHECKED]
    space = Hyperbolic(C)
    near, _ = float64_pool(space, query, points, K + leave_out + 10)
    d = space.distance(query[:, None].double(), points[near].double())
    if leave_out:
        d = d.masked_fill(near == torch.arange(len(query))[:, None], torch.inf)
    return near.gather(1, d.argsort(dim=1)[:, :K])


def recall(found: Tensor, nearest: Tensor) -> float:
    """Share of the nearest that were found."""
    return float((found[: len(nearest), :, None] == nearest[:, None]).any(1).double().mean())


def cases(quick: bool) -> Iterator[tuple[Set, int, str]]:
    """Sets, dimensions and radii."""
    for case in [Set("small", 4_000), Set("larger", 21_000, 300)] if quick else SETS:
        for d in (32,) if quick else (128,) if case.name == "1M" else (128, 512):
            for radii in RADII[1:] if case.name == "1M" else RADII:
                yield case, d, radii


def measure(way: str, case: Set, d: int, radii: str, nearest: Tensor, repeats: int, peak: bool) -> dict[str, Any]:
    """Build once, search a few times, and measure the memory in a process of its own."""
    query, points = data(case, d, radii)
    start = time.perf_counter()
    search = WAYS[way](query, points, case.queries is None)
    build, seconds = time.perf_counter() - start, []
    while len(seconds) < repeats and sum(seconds) < SLOW:
        start = time.perf_counter()
        found = search()[1]
        seconds.append(time.perf_counter() - start)
    name = {"way": way, "set": case.name, "d": d, "radii": radii}
    size = {**name, "points": case.points, "queries": case.queries, "device": "cpu"}
    return {
        **size,
        "build_seconds": build,
        "search_seconds": seconds,
        "queries_per_second": len(query) / min(seconds),
        "recall": recall(found, nearest),
        "peak_bytes": peak_memory(__file__, size) if peak else None,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of one set, dimension and radii."""
    cells = []
    for row in rows:
        if "skipped" in row:
            cells.append([row["way"], row["skipped"], "–", "–", "–"])
            continue
        memory = "–" if row["peak_bytes"] is None else f"{row['peak_bytes'] / MIB:.0f}"
        figures = [f"{row['build_seconds']:.2f}", f"{row['queries_per_second']:.0f}", memory, f"{row['recall']:.4f}"]
        cells.append([row["way"], *figures])
    return markdown_table(["", "build, s", "queries/s", "peak, MiB", "recall@10"], cells)


def peak_of(case: dict[str, Any]) -> int:
    """Peak memory of building and searching, in this process."""
    way = WAYS[case["way"]]
    query, points = data(Set(case["set"], case["points"], case["queries"]), case["d"], case["radii"])
    leave_out = case["queries"] is None
    return peak_here(lambda: way(query[:50], points[:50], leave_out)(), lambda: way(query, points, leave_out)())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few thousand points in 32 dimensions, no memory")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--sets", nargs="+", default=[case.name for case in SETS], help="of the full run")
    parser.add_argument("--dims", nargs="+", type=int, default=[128, 512], help="of the full run")
    parser.add_argument("--no-peak", action="store_true", help="leave out peak memory, which builds everything again")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--peak", help=argparse.SUPPRESS)  # measure the memory of one case, in a process of its own
    arguments = parser.parse_args()
    if arguments.peak:
        print(peak_of(json.loads(arguments.peak)))
        return
    threads = torch.get_num_threads()
    faiss.omp_set_num_threads(threads)
    results: list[dict[str, Any]] = []
    text = [INTRODUCTION, f"{machine()} Threads: {threads}."]
    for case, d, radii in cases(arguments.quick):
        if not arguments.quick and (case.name not in arguments.sets or d not in arguments.dims):
            continue
        query, points = data(case, d, radii)
        nearest = truth(query, points, case.queries is None)
        rows = []
        for way in WAYS:
            why = skipped(way, case, d)
            if why:
                rows.append({"way": way, "set": case.name, "d": d, "radii": radii, "skipped": why})
                continue
            # memory does not depend on the radii
            peak = not (arguments.quick or arguments.no_peak) and radii == RADII[-1]
            rows.append(measure(way, case, d, radii, nearest, arguments.repeats, peak))
            rate, share = rows[-1]["queries_per_second"], rows[-1]["recall"]
            print(f"  {case.name}, d={d}, {radii}: {way}: {rate:.0f} queries/s, recall {share:.4f}", flush=True)
        results += rows
        asked = f"{case.points:,} points, {len(query):,} queries"
        text.append(f"## {case.name}, d={d}, {radii}\n\n{asked}.\n\n{table(rows)}")
    print("\n\n".join(["", *text]))
    if not (arguments.no_write or arguments.quick):
        publish("search", "Nearest neighbours", " ".join(["python", *sys.argv]), "\n\n".join(text), results)


if __name__ == "__main__":
    main()
