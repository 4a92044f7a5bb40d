"""A vector database behind a hyperbolic index: recall and time of LanceDB by what is stored in it and how it searches.

    pip install lancedb
    python benchmarks/vector_database.py

Prints the table and writes docs/results/vector_database.md and vector_database.json. Stored are

- ball points under Euclidean distance, of which k' candidates are fetched and put into exact order (`rerank_exact`);
  k' = 10 shows what the order of the database alone is worth
- the reduced lift: the Lorentz lift with its time coordinate centred, and one coordinate more, so that Euclidean order
  is hyperbolic order; nothing is re-ranked, and queries are scaled to the mean length of the stored vectors, which
  leaves the order as it is and helps an inverted file choose its lists
- ball points under cosine, as a control

Data: a class tree with all points at one radius (tangent norm 2.3 at c = 0.1, as clipped heads make them) and with
tangent norms spread from 0.1 to 2.3. Recall@10 against the exact search of `HyperbolicIndex`; queries are not in the
database. Times are of single queries, re-ranking included, medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine
from publish import publish
from torch import Tensor

from hyperdml.geometry import expmap0, lift
from hyperdml.index import HyperbolicIndex, export_index, rerank_exact
from hyperdml.training.tables import markdown_table

C, K, DIM = 0.1, 10, 128
ENGINES = ("scan", "IVF_FLAT", "HNSW")
SETTINGS = {"scan": [0], "IVF_FLAT": [8, 32], "HNSW": [64, 256]}
NAMES = {"scan": "scan", "IVF_FLAT": "IVF, {} of {} lists", "HNSW": "HNSW, ef {}"}


@dataclass(frozen=True)
class Row:
    """What was measured of one way to search."""

    radii: str
    stored: str
    engine: str
    candidates: int
    recall: float
    milliseconds: float


def tree_points(n: int, spread: bool) -> Tensor:
    """Points around a tree of class directions, 6 a class, 4 classes a group, 3 groups a branch."""
    g = torch.Generator().manual_seed(0)

    def noise(count: int) -> Tensor:
        return torch.randn(count, DIM, generator=g)

    classes = -(-n // 6)
    middle = torch.arange(classes) // 4
    middles = noise(classes)[: int(middle[-1]) + 1]
    middles = noise(len(middles))[torch.arange(len(middles)) // 3] + 0.8 * middles
    centres = middles[middle] + 0.7 * noise(classes)
    directions = torch.nn.functional.normalize(centres[torch.arange(n) % classes] + 0.6 * noise(n))
    norms = 0.1 + 2.2 * torch.rand(n, 1, generator=g) if spread else torch.full((n, 1), 2.3)
    return expmap0(directions * norms, C)[torch.randperm(n, generator=g)]


def reduced_lift(points: Tensor, queries: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(N, d + 2) vectors and queries whose Euclidean order is the hyperbolic order."""
    z, q = lift(points, C), lift(queries, C)
    z[:, -1] -= z[:, -1].mean()  # adds the same number to every product of a query
    q[:, -1].neg_()
    squares = z.square().sum(1, keepdim=True)
    z = torch.cat([z, (squares.max() - squares).sqrt()], 1)
    q = torch.nn.functional.normalize(torch.nn.functional.pad(q, (0, 1))) * z.norm(dim=1).mean()
    return z.float().numpy(), q.float().numpy()


class Database:
    """A table of LanceDB with vectors, and one way to search it."""

    def __init__(self, folder: Path, vectors: np.ndarray, distance: str) -> None:
        import lancedb
        import pyarrow as pa

        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        self.table = lancedb.connect(folder).create_table("t", pa.table({"row": np.arange(len(vectors)), "v": column}))
        self.distance, self.size = distance, len(vectors)

    def build(self, engine: str) -> int:
        """Build an index over the vectors; returns its number of lists."""
        from lancedb.index import HnswFlat, IvfFlat

        lists = round(self.size**0.5)
        if engine == "IVF_FLAT":
            self.table.create_index("v", config=IvfFlat(distance_type=self.distance, num_partitions=lists))
        if engine == "HNSW":
            self.table.create_index("v", config=HnswFlat(distance_type=self.distance, num_partitions=1))
        return lists

    def search(self, query: np.ndarray, count: int, engine: str, setting: int) -> Any:
        """Arrow table of the nearest rows, with their vectors."""
        search = self.table.search(query).distance_type(self.distance).limit(count)
        if engine == "IVF_FLAT":
            search = search.nprobes(setting)
        if engine == "HNSW":
            search = search.ef(max(setting, count))
        return search.to_arrow()


def measure(spread: bool, n: int, queries: int) -> list[Row]:
    """All ways on one set of points."""
    points = tree_points(n + queries, spread)
    asked, index = points[:queries], HyperbolicIndex.build(points[queries:], c=C, gpu=False)
    expected = index.search(asked, K).ids
    radii = "spread" if spread else "one radius"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_index(index, folder / "export", k=K)
        ball = np.load(folder / "export" / "vectors.npy")
        lifted, lifted_queries = reduced_lift(index.points, asked)
        for stored, vectors, from_queries, distance, counts in (
            ("ball points", ball, asked.numpy(), "l2", [K, 20, 50, 100]),
            ("reduced lift", lifted, lifted_queries, "l2", [K]),
            ("ball points by cosine", ball, asked.numpy(), "cosine", [K, 100]),
        ):
            database = Database(folder / stored, vectors, distance)
            for engine in ENGINES:
                lists = database.build(engine)
                for setting in SETTINGS[engine]:
                    for count in counts:
                        found, seconds = [], []
                        for query, lookup in zip(asked, from_queries, strict=True):
                            start = time.perf_counter()
                            fetched = database.search(lookup, count, engine, setting)
                            ids = fetched["row"].to_numpy()
                            if stored != "reduced lift":
                                ids = ids[rerank_exact(query, np.stack(fetched["v"].to_numpy()), C, K)[1].numpy()]
                            seconds.append(time.perf_counter() - start)
                            found.append(set(ids.tolist()))
                        recall = statistics.mean(len(a & set(b)) / K for a, b in zip(found, expected, strict=True))
                        way = NAMES[engine].format(setting, lists)
                        rows.append(Row(radii, stored, way, count, recall, 1000 * statistics.median(seconds)))
                        print(rows[-1], flush=True)
    return rows


def table(rows: list[Row]) -> str:
    """Markdown, one line per way, both sets of points beside each other."""
    cells = []
    for row in [row for row in rows if row.radii == rows[0].radii]:
        both = [r for r in rows if (r.stored, r.engine, r.candidates) == (row.stored, row.engine, row.candidates)]
        values = [f"{r.recall:.4f}" for r in both] + [f"{r.milliseconds:.1f}" for r in both]
        cells.append([f"{row.stored}, {row.engine}", str(row.candidates), *values])
    radii = list(dict.fromkeys(row.radii for row in rows))
    return markdown_table(
        ["stored, search", "k'", *(f"recall@10, {r}" for r in radii), *(f"ms per query, {r}" for r in radii)], cells
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000, help="points in the database")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="2,000 points and 20 queries, nothing written")
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    try:
        import lancedb
    except ImportError:
        sys.exit("this benchmark needs the package lancedb: pip install lancedb")
    n, queries = (2_000, 20) if arguments.quick else (arguments.n, arguments.queries)
    rows = [row for spread in (False, True) for row in measure(spread, n, queries)]
    text = "\n\n".join(
        [
            f"{n:,} points in {DIM} dimensions, c = {C}, {queries} queries that are not among them, "
            f"{K} neighbours by hyperbolic distance. k' is how many candidates the database is asked for; those of "
            "ball points are put into exact order. Recall is against the exact search.",
            f"LanceDB {lancedb.__version__}, in the process. {machine()}",
            table(rows),
        ]
    )
    print(f"\n{text}")
    if not (arguments.no_write or arguments.quick):
        command = " ".join(["python", *sys.argv])
        publish("vector_database", "A vector database behind a hyperbolic index", command, text, rows)


if __name__ == "__main__":
    main()
