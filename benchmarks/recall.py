"""Recall@1, 10, 100 and 1000 at the sizes of CUB, In-Shop and SOP: time over that of the matrix product, memory, ranks.

    python benchmarks/recall.py

Prints the tables and writes docs/results/recall.md and recall.json. Points of a three-level class tree at c = 0.1, all
clipped to one radius as a trained model has them, or of mixed radii. The ways:

- this package: `first_positive_rank`, compiled kernel, and its torch engine (also on CUDA, if there is one)
- FAISS, exact: the 1,000 nearest by `HyperbolicKNN`, first hit
- FAISS, plain: inner products of the float32 Lorentz lift, the 1,001 best, the query taken out, first hit
- pytorch-metric-learning: `AccuracyCalculator`, which has Recall@1 only (precision_at_1): with its `FaissKNN`, whose
  distance is Euclidean, and with its `CustomKNN` over `PoincareDistance`
- row by row: the Möbius distances of one query after the other, as published code has them, and the 1,000 nearest
- the float32 product of all pairs alone; the floor: the entries that have to be computed (half of them where a set is
  searched in itself) at the best rate of any library and block size

A way marked ~ was given some of the queries and its time extrapolated linearly; its memory is that of those queries.
Ranks are compared with brute force on float64 distances for a sample of queries.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

C, CLIP = 0.1, 2.3
KS = (1, 10, 100, 1000)
SIZES = {"cub": (5924, 0, 100), "inshop": (14218, 12612, 3985), "sop": (60502, 0, 11316)}
QUICK = {"cub": (600, 0, 20), "inshop": (700, 600, 150), "sop": (1200, 0, 240)}
RADII = ("trained", "mixed")
CHECKED = 100  # queries whose ranks are compared with brute force
# the most queries that a way is given, so that all of them together take minutes
SAMPLED, FEW, SLOW = 8192, 1000, 250
OURS, TORCH = "this package", "this package, torch engine"
FULL, FLOOR = "the product alone", "floor"
INTRODUCTION = """Rank of the nearest item of a query's class, from which Recall@k follows for every k: time, time over
the floor (the entries that have to be computed, at the best rate that any BLAS here reached in the same run and under
the same threads), peak memory beyond the points, and how many ranks agree with brute force on float64 distances. A way
marked ~ was given some of the queries and extrapolated. The ways of pytorch-metric-learning have Recall@1 only; its
`FaissKNN` is Euclidean, which on mixed radii is another score, and it leaves queries without a match in the gallery
out of the mean, which are misses in Recall@k."""


@dataclass(frozen=True)
class Sets:
    """One data set: points on the CPU; without a gallery the queries are searched in themselves."""

    query: Any
    labels: Any
    gallery: Any
    gallery_labels: Any
    alone: bool

    def part(self, count: float) -> Sets:
        """The first queries."""
        n = max(1, int(min(len(self.query), count)))
        return Sets(self.query[:n], self.labels[:n], self.gallery, self.gallery_labels, self.alone)


def points(count: tuple[int, int, int], d: int, radii: str, seed: int = 0) -> Sets:
    """A tree of classes (one super-class per 1,000 or so, one middle per 20), rows in random order."""
    import numpy as np
    import torch

    from hyperdml.geometry import expmap0

    queries, gallery, classes = count
    n, rng = queries + gallery, np.random.default_rng(seed)
    middles = classes // 20 + 1
    centres = rng.normal(size=(12, d))[rng.integers(12, size=middles)] + 0.8 * rng.normal(size=(middles, d))
    centres = centres[rng.integers(middles, size=classes)] + 0.7 * rng.normal(size=(classes, d))
    labels = rng.permutation(np.arange(n) % classes)
    x = centres[labels] + 1.2 * rng.normal(size=(n, d))
    x *= (np.full((n, 1), CLIP) if radii == "trained" else rng.uniform(0.1, CLIP, (n, 1))) / np.linalg.norm(
        x, axis=1, keepdims=True
    )
    x, y = expmap0(torch.from_numpy(x), C).float(), torch.from_numpy(labels)
    if gallery == 0:
        return Sets(x, y, x, y, True)
    return Sets(x[:queries], y[:queries], x[queries:], y[queries:], False)


def first_hit(sets: Sets, indices: Any) -> Any:
    """Rank of the first hit among (Q, k) neighbours, 0 without one."""
    import torch

    hit = sets.gallery_labels[indices] == sets.labels[:, None]
    return torch.where(hit.any(1), hit.byte().argmax(1) + 1, 0)


def ours(engine: str, device: str = "cpu") -> Callable[[Sets], Any]:
    def ranks(sets: Sets) -> Any:
        from hyperdml.metrics.ranks.first_positive import first_positive_rank

        gallery = (None, None) if sets.alone else (sets.gallery.to(device), sets.gallery_labels)
        return first_positive_rank(sets.query.to(device), sets.labels, C, "hyperbolic", *gallery, engine=engine).cpu()

    return ranks


def faiss_exact(sets: Sets) -> Any:
    from hyperdml.neighbors import HyperbolicKNN

    k = min(KS[-1], len(sets.gallery) - 1)
    return first_hit(sets, HyperbolicKNN(C, gpu=False)(sets.query, k, sets.gallery, sets.alone)[1])


def faiss_plain(sets: Sets) -> Any:
    """Nothing is re-ranked; the query is taken out by its index."""
    import faiss
    import torch

    from hyperdml.geometry import lift

    z, base = (lift(x, C).float() for x in (sets.query, sets.gallery))
    z[:, -1].neg_()
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(base.numpy())
    k = min(KS[-1] + 1, len(base))
    indices = torch.from_numpy(index.search(z.numpy(), k)[1])
    if sets.alone:
        own = indices == torch.arange(len(indices))[:, None]
        own[~own.any(1), -1] = True
        indices = indices[~own].view(len(indices), k - 1)
    return first_hit(sets, indices)


def calculator(custom: bool) -> Callable[[Sets], float]:
    def precision_at_1(sets: Sets) -> float:
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
        from pytorch_metric_learning.utils.inference import CustomKNN, FaissKNN

        from hyperdml.integrations import PoincareDistance

        knn = CustomKNN(PoincareDistance(C), batch_size=64) if custom else FaissKNN()
        scores = AccuracyCalculator(include=("precision_at_1",), k=1, knn_func=knn)
        found = scores.get_accuracy(sets.query, sets.labels, sets.gallery, sets.gallery_labels, sets.alone)
        return float(found["precision_at_1"])

    return precision_at_1


def row_by_row(sets: Sets) -> Any:
    """``d = (2 / sqrt(c)) artanh(sqrt(c) |(-x) (+) y|)`` for one x and all y at a time."""
    import torch

    root = math.sqrt(C)
    y, found = sets.gallery, []
    y2 = (y * y).sum(1)
    for row, x in enumerate(sets.query):
        x2, xy = (x * x).sum(), -(x * y).sum(1)
        above = (1 + 2 * C * xy + C * y2)[:, None] * -x + (1 - C * x2) * y
        gap = above / (1 + 2 * C * xy + C * C * x2 * y2)[:, None]
        distance = 2 / root * torch.atanh((root * gap.norm(dim=1)).clamp(max=1 - 1e-5))
        if sets.alone:
            distance[row] = torch.inf
        found.append(distance.topk(min(KS[-1], len(y) - 1), largest=False).indices)
    return first_hit(sets, torch.stack(found))


ROWS: dict[str, tuple[Callable[[Sets], Any], float]] = {
    OURS: (ours("auto"), math.inf),
    TORCH: (ours("torch"), math.inf),
    "FAISS exact (`HyperbolicKNN`), top 1000": (faiss_exact, FEW),
    "FAISS plain, lift, top 1001": (faiss_plain, SAMPLED),
    "PML calculator, FaissKNN (Euclidean)": (calculator(custom=False), SAMPLED),
    "PML calculator, CustomKNN (`PoincareDistance`)": (calculator(custom=True), FEW),
    "row by row, Möbius": (row_by_row, SLOW),
}


def products(d: int, width: int, device: str) -> float:
    """Seconds an entry of a float32 product takes at best, of NumPy and torch in several block sizes."""
    import numpy as np
    import torch

    best = math.inf
    x = torch.randn(8192, d + 1)
    for rows, columns in ((256, 2048), (512, 4096), (1024, 8192), (4096, 8192)):
        rows, columns = min(rows, width), min(columns, width)
        left, right = x[:rows].to(device), x[:columns].to(device)
        out = torch.empty(rows, columns, device=device)
        for multiply in (
            lambda: torch.mm(left, right.T, out=out),  # noqa: B023
            lambda: np.matmul(left.numpy(), right.numpy().T, out=out.numpy()),  # noqa: B023
        )[: 2 if device == "cpu" else 1]:
            repeats = max(1, 2**23 // (rows * columns))
            for _ in range(4):
                start = time.perf_counter()
                for _ in range(repeats):
                    multiply()
                if device == "cuda":
                    torch.cuda.synchronize()
                best = min(best, (time.perf_counter() - start) / (repeats * rows * columns))
    return best


def truth(sets: Sets) -> Any:
    """Ranks of a sample of queries: every distance by direct differences in float64, equal ones by index."""
    import torch

    from hyperdml.geometry import distance

    ranks = []
    for row in range(min(CHECKED, len(sets.query))):
        d = distance(sets.query[row].double(), sets.gallery.double(), C)
        if sets.alone:
            d[row] = torch.inf
        hit = (sets.gallery_labels == sets.labels[row])[d.sort(stable=True).indices[: len(d) - sets.alone]]
        ranks.append(int(hit.byte().argmax()) + 1 if hit.any() else 0)
    return torch.tensor(ranks)


def measure_case(case: dict[str, Any]) -> list[dict[str, Any]]:
    """All ways on one data set, in this process, which should be a fresh one with its threads set."""
    import torch
    from measure import peak_here

    threads, device = case["threads"], case["device"]
    sets = points(tuple(case["count"]), case["d"], case["radii"])
    small = points(tuple(min(n, 300) for n in case["count"]), case["d"], case["radii"])
    exact = truth(sets)
    entries = len(sets.query) * len(sets.gallery)
    results, width = [], len(sets.gallery)
    torch.set_num_threads(threads)
    rates = [products(case["d"], width, device)]
    rows = ROWS if device == "cpu" else {TORCH: (ours("torch", device), math.inf)}
    for name, (way, most) in rows.items():
        part = sets.part(most)
        seconds: list[float] = []
        answer: list[Any] = []

        def call(part: Sets = part, way: Any = way, seconds: list = seconds, answer: list = answer) -> None:
            torch.set_num_threads(threads)
            start = time.perf_counter()
            answer.append(way(part))
            seconds.append(time.perf_counter() - start)

        if device == "cuda":
            way(small)
            torch.cuda.reset_peak_memory_stats()
            call()
            peak = torch.cuda.max_memory_allocated()
        else:
            # the large kernel is compiled, or loaded, before it is timed
            warm = ours("numba") if name == OURS else way
            peak = peak_here(lambda warm=warm: warm(small), call)
        while len(seconds) < case["repeats"] and sum(seconds) < case["budget"]:
            call()
        ranks = answer[0]
        whole = len(part.query) == len(sets.query)
        found: dict[str, Any] = {"recall": {"1": ranks}, "agree": None}
        if not isinstance(ranks, float):
            recall = {str(k): float(((ranks > 0) & (ranks <= k)).double().mean()) for k in KS}
            short = name not in (OURS, TORCH)  # what lies beyond the last k was not looked for
            wanted = torch.where(exact > KS[-1], 0, exact) if short else exact
            wanted, ranks = wanted[: len(ranks)], ranks[: len(wanted)]
            found = {"recall": recall, "agree": float((wanted == ranks).double().mean())}
        scale = len(sets.query) / len(part.query)
        taken = {"seconds": sorted(seconds)[len(seconds) // 2] * scale, "all_seconds": seconds, "peak_bytes": peak}
        results.append({**case, "row": name, "whole": whole, "queries": len(part.query), **taken, **found})
        print(f"  {name}: {results[-1]['seconds']:.3f} s", file=sys.stderr, flush=True)
    rates.append(products(case["d"], width, device))
    for name, share in ((FULL, 1.0), (FLOOR, 0.5 if sets.alone else 1.0)):
        results.append(
            {**case, "row": name, "whole": False, "seconds": min(rates) * entries * share, "peak_bytes": None}
        )
    return results


def run_case(case: dict[str, Any]) -> list[dict[str, Any]]:
    """`measure_case` in a process of its own, with every library's threads set before it starts."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(case["threads"]))}
    command = [sys.executable, "-W", "ignore", __file__, "--case", json.dumps(case)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]


def digits(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of one data set."""
    from measure import MIB

    from hyperdml.training.tables import markdown_table

    floor = next(r["seconds"] for r in results if r["row"] == FLOOR)
    lines = []
    for r in results:
        sampled = "~" if not r["whole"] and r["row"] not in (FULL, FLOOR) else ""
        recall = [f"{r['recall'][str(k)]:.4f}" if str(k) in r.get("recall", {}) else "–" for k in KS]
        memory = "–" if r["peak_bytes"] is None else f"{r['peak_bytes'] / MIB:.0f}"
        agree = "–" if r.get("agree") is None else f"{r['agree']:.0%}"
        lines.append(
            [r["row"], f"{sampled}{digits(r['seconds'])}", f"{r['seconds'] / floor:,.2f}", memory, *recall, agree]
        )
    header = ["way", "seconds", "times the floor", "peak MiB", *(f"R@{k}" for k in KS), "ranks right"]
    return markdown_table(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="cub,inshop,sop", help="of cub, inshop, sop, with commas")
    parser.add_argument("--dims", default="128,512")
    parser.add_argument("--radii", help="of trained, mixed; both, or with --quick mixed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="at most, while they take no longer than eight seconds")
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all", help="all: the CPU, and CUDA if any")
    parser.add_argument("--quick", action="store_true", help="a tenth of the queries or less, d = 32, mixed radii")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # one data set, in a process of its own
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure_case(json.loads(arguments.case))))
        return
    from measure import devices, machine
    from publish import publish

    sizes = QUICK if arguments.quick else SIZES
    dims = [32] if arguments.quick and arguments.dims == "128,512" else [int(d) for d in arguments.dims.split(",")]
    chosen = (arguments.radii or ("mixed" if arguments.quick else ",".join(RADII))).split(",")
    record, text = [], [INTRODUCTION, machine()]
    for device in devices(arguments.device):
        for name in arguments.sizes.split(","):
            for d in dims:
                for radii in chosen:
                    if name not in sizes or radii not in RADII:
                        parser.error(f"sizes are {', '.join(sizes)} and radii {', '.join(RADII)}, got {name}, {radii}")
                    queries, gallery, classes = sizes[name]
                    title = f"{name}, {queries:,} x {gallery or queries:,}, {classes:,} classes, d={d}, {radii} radii"
                    title += f", {device.type}, {arguments.threads} thread{'s' * (arguments.threads > 1)}"
                    print(title, file=sys.stderr, flush=True)
                    case = {"name": name, "count": sizes[name], "d": d, "radii": radii, "device": device.type}
                    case |= {"threads": arguments.threads, "repeats": arguments.repeats, "budget": 8.0}
                    results = run_case(case)
                    record += results
                    text += [f"## {title}", table(results)]
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        publish("recall", "Recall@k", " ".join(["python", *sys.argv]), "\n\n".join(text), record)


if __name__ == "__main__":
    main()
