"""k-reciprocal neighbours of a whole data set and k-reciprocal re-ranking: time, memory, and what re-ranking changes.

    python benchmarks/reciprocal.py [runs/quickstart/embeddings.safetensors ...]

Prints the tables and writes docs/results/reciprocal.md and reciprocal.json. Made-up points lie in the ball of curvature
-0.1 around a tree of class directions, 5 to a class: "mixed radii" have tangent norms uniform between 0.1 and 2.3,
"clipped" all of 2.3. Files of embeddings (tensors `points` and `labels`, metadata `c`) get rows of their own.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from measure import MIB, Call, devices, interleaved, machine, peak_here, peak_memory
from publish import publish
from torch import Tensor

from hyperdml.geometry import expmap0
from hyperdml.metrics import RetrievalResult
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.neighbors.encoding import farthest_distances, k_reciprocal_encoding
from hyperdml.neighbors.reciprocal_sets import expanded_graph, reciprocal_graph
from hyperdml.neighbors.rerank import KReciprocalReranker, jaccard_distances
from hyperdml.training.tables import markdown_table

C, CLIP, D, PER_CLASS = 0.1, 2.3, 128, 5
K1, K2, CANDIDATES = 20, 6, 100
KINDS = ("mixed radii", "clipped")
WHOLE, SAMPLE = 60_502, 10_000  # points of Stanford Online Products' test set; points whose scores are compared
SETTINGS = [(20, 6, 0.3), (10, 3, 0.3), (5, 2, 0.3), (20, 6, 0.8), (5, 2, 0.8)]
ROWS = (
    "search, K = 20",
    "search, K = 100",
    "mutual pairs, K = 20",
    "expanded sets, K = 20",
    "largest distances",
    "encoding with expanded sets",
    "Jaccard distances of 100 candidates",
    "re-ranking in all, with its search",
)
INTRODUCTION = """Every point is a query and left out of its own neighbours. Times and memory are of one row alone,
given what the rows above it found. "Mutual" is the share of the neighbour lists that are mutual, "isolated" the share
of points without any k-reciprocal neighbour."""


def made_up(kind: str, n: int) -> tuple[Tensor, Tensor]:
    """(n, D) points of the ball and (n,) labels."""
    g = torch.Generator().manual_seed(0)
    classes = -(-n // PER_CLASS)
    tops = torch.randn(12, D, generator=g)
    middles = tops[torch.arange(classes // 20 + 1) % 12] + 0.8 * torch.randn(classes // 20 + 1, D, generator=g)
    centres = middles[torch.arange(classes) // 20] + 0.7 * torch.randn(classes, D, generator=g)
    labels = torch.arange(n) % classes
    direction = torch.nn.functional.normalize(centres[labels] + 1.2 * torch.randn(n, D, generator=g))
    norm = torch.rand(n, 1, generator=g) * (CLIP - 0.1) + 0.1 if kind == "mixed radii" else CLIP
    return expmap0(norm * direction, C), labels


@functools.cache
def points_on(kind: str, n: int, device: str) -> Tensor:
    return made_up(kind, n)[0].to(device)


@functools.cache
def searched(kind: str, n: int, device: str) -> tuple[Tensor, Tensor]:
    """Distances and neighbours, as many as re-ranking has candidates."""
    points = points_on(kind, n, device)
    return HyperbolicKNN(C)(points, CANDIDATES, points, True)


@functools.cache
def farthest(kind: str, n: int, device: str) -> Tensor:
    return farthest_distances(HyperbolicKNN(C).space, points_on(kind, n, device))


def prepare(row: str, kind: str, n: int, device: str) -> Call:
    """One call of a row on made-up points."""
    case = (kind, n, device)
    points, knn = points_on(*case), HyperbolicKNN(C)
    if row.startswith("search"):
        return lambda: knn(points, int(row.split()[-1]), points, True)
    if row == "largest distances":
        return lambda: farthest_distances(knn.space, points)
    if row.startswith("re-ranking"):
        return lambda: KReciprocalReranker(knn, K1, K2, candidates=CANDIDATES)(points, 10, points, True)
    distances, table = searched(*case)
    if row.startswith("mutual"):
        return lambda: reciprocal_graph(table[:, :K1], distances[:, :K1])
    if row.startswith("expanded"):
        return lambda: expanded_graph(table[:, :K1])
    scale = farthest(*case)
    if row.startswith("encoding"):
        return lambda: k_reciprocal_encoding(knn.space, points, table, scale, K1, K2)
    encoding = k_reciprocal_encoding(knn.space, points, table, scale, K1, K2)
    return lambda: jaccard_distances(encoding, table.cpu())


def measure(device: torch.device, n: int, repeats: int) -> list[dict]:
    """Times of all rows and their memory, on both kinds of points."""
    results = []
    for kind in KINDS:
        timings = interleaved({row: prepare(row, kind, n, device.type) for row in ROWS}, repeats, device)
        for row in ROWS:
            case = {"row": row, "kind": kind, "n": n, "device": device.type}
            peak = peak_memory(__file__, case, prepare(**case) if device.type == "cuda" else None)
            print(f"  {kind}, {row}: {timings[row]} ms, {peak / MIB:.0f} MiB", flush=True)
            results.append({**case, "seconds": timings[row], "peak_bytes": peak})
    return results


def time_table(results: list[dict], n: int, device: str) -> str:
    """Markdown of one device's times and memory."""
    found = {(r["row"], r["kind"]): r for r in results}
    header = [f"{n:,} points, d = {D}, {device}", *(f"{kind}, {what}" for kind in KINDS for what in ("ms", "MiB"))]
    cells = []
    for row in ROWS:
        pairs = [(str(r["seconds"]), f"{r['peak_bytes'] / MIB:.0f}") for r in (found[row, kind] for kind in KINDS)]
        cells.append([row, *(text for pair in pairs for text in pair)])
    return markdown_table(header, cells)


def graph_facts(name: str, points: Tensor, c: float) -> dict[str, Any]:
    """Shares and sizes of the reciprocal sets."""
    table = HyperbolicKNN(c)(points, K1, points, True)[1]
    mutual, expanded = reciprocal_graph(table), expanded_graph(table)
    return {
        "points": name,
        "n": len(points),
        "mutual": len(mutual.indices) / table.numel(),
        "isolated": float((mutual.degree == 0).double().mean()),
        "mutual neighbours": float(mutual.degree.double().mean()),
        "expanded": float(expanded.degree.double().mean()),
    }


def scores(name: str, points: Tensor, labels: Tensor, c: float) -> list[dict[str, Any]]:
    """Recall and MAP@R as searched, and re-ranked under several settings."""
    knn = HyperbolicKNN(c)
    depth = min(len(points) - 1, max(8, int(labels.bincount().max()) - 1))
    searches = {"as searched": knn}
    for k1, k2, weight in SETTINGS:
        searches[f"k1 = {k1}, k2 = {k2}, weight {weight}"] = KReciprocalReranker(
            knn, k1, k2, weight, max(depth, CANDIDATES)
        )
    rows = []
    for setting, search in searches.items():
        distances, indices = search(points, depth, points, True)
        result = RetrievalResult(indices, distances, labels, labels, True)
        recall = result.recall_at_k([1, 8])
        rows.append({"points": name, "order": setting, "R@1": recall[1], "R@8": recall[8], "MAP@R": result.map_at_r()})
        print(f"  {name}, {setting}: R@1 {recall[1]:.3f}, MAP@R {rows[-1]['MAP@R']:.3f}", flush=True)
    return rows


def quality_tables(facts: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """Markdown of the sets' sizes, and of the scores."""
    sizes = [
        [f"{f['points']}, {f['n']:,} points", *(f"{100 * f[key]:.1f} %" for key in ("mutual", "isolated"))]
        + [f"{f[key]:.1f}" for key in ("mutual neighbours", "expanded")]
        for f in facts
    ]
    header = [f"K = {K1}", "mutual", "isolated", "reciprocal neighbours a point", "in the expanded set"]
    names = ["R@1", "R@8", "MAP@R"]
    cells = [[f"{r['points']}: {r['order']}", *(f"{100 * r[name]:.1f}" for name in names)] for r in found]
    return "\n\n".join([markdown_table(header, sizes), markdown_table(["%", *names], cells)])


def read(path: Path) -> tuple[Tensor, Tensor, float]:
    """Points, labels and curvature of a file of embeddings."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.get_tensor("points"), file.get_tensor("labels"), float(file.metadata()["c"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", nargs="*", type=Path, help="files of embeddings to be scored besides")
    parser.add_argument("--quick", action="store_true", help="2,000 points")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all", help="all: the CPU, and CUDA if any")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--peak", help=argparse.SUPPRESS)  # measure the memory of one case, in a process of its own
    arguments = parser.parse_args()
    if arguments.peak:
        case = json.loads(arguments.peak)
        print(peak_here(prepare(**{**case, "n": 200}), prepare(**case)))
        return
    n, sample = (2000, 2000) if arguments.quick else (WHOLE, SAMPLE)
    sets = {f"made up, {kind}": (*made_up(kind, sample), C) for kind in KINDS}
    sets.update({path.as_posix(): read(path) for path in arguments.embeddings})
    facts = [graph_facts(name, points, c) for name, (points, _, c) in sets.items()]
    found = [row for name, (points, labels, c) in sets.items() for row in scores(name, points, labels, c)]
    record: dict[str, Any] = {"sets": facts, "scores": found, "times": []}
    text = [INTRODUCTION, machine(), quality_tables(facts, found)]
    for device in devices(arguments.device):
        print(f"{device.type}, {torch.get_num_threads()} threads", flush=True)
        times = measure(device, n, arguments.repeats)
        record["times"] += times
        text.append(time_table(times, n, device.type))
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        command = " ".join(["python", *sys.argv])
        publish("reciprocal", "k-reciprocal neighbours and re-ranking", command, "\n\n".join(text), record)


if __name__ == "__main__":
    main()
