"""Trees over 1,000, 10,000 and 60,000 points: time, memory and purity, beside SciPy and higra on a precomputed matrix.

    python benchmarks/tree.py

Prints the table and writes docs/results/tree.md and tree.json. Points in the ball of curvature -0.1 around a tree of
class directions, 30 to a class, all clipped to one radius as a trained model has them. SciPy and higra (where it is
installed) get average linkage; they need the whole matrix of distances, which is part of their time and memory, and are
left out where it does not fit. Every way runs in a process of its own, on one thread.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from typing import Any

C, CLIP, D, PER_CLASS = 0.1, 2.3, 128, 30
SIZES = (1_000, 10_000, 60_000)
OURS = ("average", "hyphc", "gromov")
SCIPY, HIGRA = "SciPy, average linkage of the matrix", "higra, average linkage of the matrix"
MOST = {SCIPY: 20_000, HIGRA: 5_000}  # points: the matrix has to fit, for higra as a graph of all pairs
INTRODUCTION = """Seconds in all (points in, tree out), peak memory beyond the points, and the purity of the tree for
classes and for the groups of 20 classes above them. Up to 10,000 points `extract_tree` compares all pairs; beyond it
goes over k-means cells. The trees of SciPy and higra have no inner points; ours have."""


def points(n: int) -> tuple[Any, Any, Any]:
    """(n, D) points, (n,) classes and (n,) groups, in random order."""
    import torch

    from hyperdml.geometry import expmap0

    g = torch.Generator().manual_seed(0)
    classes = -(-n // PER_CLASS)
    tops = torch.randn(classes // 20 + 1, D, generator=g)
    centres = tops[torch.arange(classes) // 20] + 0.8 * torch.randn(classes, D, generator=g)
    labels = torch.randperm(n, generator=g) % classes
    direction = torch.nn.functional.normalize(centres[labels] + 1.2 * torch.randn(n, D, generator=g))
    return expmap0(CLIP * direction, C), labels, labels // 20


def pairs(x: Any) -> Any:
    """Condensed distances, in blocks."""
    import torch

    from hyperdml.tree.dissimilarity import condensed, dissimilarity

    return condensed(dissimilarity("average", x.double(), C), torch.arange(len(x))).numpy()


def tree_of(way: str, x: Any) -> Any:
    """The tree that a way makes."""
    from hyperdml.tree import Dendrogram, extract_tree

    if way == SCIPY:
        from scipy.cluster.hierarchy import linkage

        return Dendrogram.from_linkage(linkage(pairs(x), "average"))
    if way == HIGRA:
        import higra
        import numpy as np

        rows, columns = np.triu_indices(len(x), 1)
        graph = higra.UndirectedGraph(len(x))
        graph.add_edges(rows, columns)
        tree, heights = higra.binary_partition_tree_average_linkage(graph, pairs(x))
        parents = tree.parents().astype(np.int64)
        parents[-1] = -1  # higra's root is its own parent
        return Dendrogram(parents, heights, len(x))
    return extract_tree(x, method=way, c=C)


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """One way at one size, in this process, which should be a fresh one."""
    from measure import peak_here

    from hyperdml.metrics import dendrogram_purity

    x, labels, groups = points(case["n"])
    seconds: list[float] = []
    found: list[Any] = []

    def call() -> None:
        start = time.perf_counter(), time.process_time()
        found.append(tree_of(case["way"], x))
        seconds.extend([time.perf_counter() - start[0], time.process_time() - start[1]])

    peak = peak_here(lambda: tree_of(case["way"], x[:300]), call)
    tree = found[0]
    purity = [dendrogram_purity(*tree.parent_arrays(), ids) for ids in (labels, groups)]
    return {**case, "seconds": seconds[0], "cpu_seconds": seconds[1], "peak_bytes": peak, "purity": purity}


def table(results: list[dict[str, Any]]) -> str:
    from measure import MIB

    from hyperdml.training.tables import markdown_table

    header = ["points", "way", "seconds", "CPU seconds", "peak MiB", "purity, classes", "purity, groups"]
    rows = []
    for r in results:
        way = f"`extract_tree`, {r['way']}" if r["way"] in OURS else r["way"]
        figures = [f"{r['seconds']:.2f}", f"{r['cpu_seconds']:.2f}", f"{r['peak_bytes'] / MIB:.0f}"]
        rows.append([f"{r['n']:,}", way, *figures, *(f"{value:.3f}" for value in r["purity"])])
    return markdown_table(header, rows)


def in_process(case: dict[str, Any]) -> dict[str, Any]:
    """`measure` in a process of its own, with every library on one thread before it starts."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, "1")}
    command = [sys.executable, "-W", "ignore", __file__, "--case", json.dumps(case)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of points, with commas")
    parser.add_argument("--ways", help="of average, hyphc, gromov, scipy, higra, with commas; all without it")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # one row, in a process of its own
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(json.loads(arguments.case))))
        return
    from measure import machine
    from publish import publish

    known = {**{way: way for way in OURS}, "scipy": SCIPY, "higra": HIGRA}
    chosen = arguments.ways.split(",") if arguments.ways else list(known)
    if not set(chosen) <= set(known):
        parser.error(f"ways are {', '.join(known)}, got {arguments.ways}")
    results = []
    for n in map(int, arguments.sizes.split(",")):
        for short in chosen:
            way = known[short]
            if n > MOST.get(way, n) or (way == HIGRA and importlib.util.find_spec("higra") is None):
                continue
            results.append(in_process({"n": n, "way": way}))
            print(f"{n} {way}: {results[-1]['seconds']:.2f} s", file=sys.stderr, flush=True)
    text = "\n\n".join([INTRODUCTION, machine(), table(results)])
    print(text)
    if not arguments.no_write:
        publish("tree", "Trees", " ".join(["python", *sys.argv]), text, results)


if __name__ == "__main__":
    main()
