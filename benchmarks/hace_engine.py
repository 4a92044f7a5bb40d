"""Losses over a taxonomy: time and peak memory of forward and backward, and of a whole linear-probe step.

    python benchmarks/hace_engine.py

Prints the tables and writes docs/results/hace_engine.md and hace_engine.json. Taxonomies are generated from the
published counts of nodes and leaves a level. Rows of the first tables, all over the same logits, batch 128:

- cross-entropy over all N logits; the smallest that any loss of these logits can cost
- this package: `HACELoss` plain, with label smoothing (every node enters), over soft labels of LCA heights
- dense R: ``-(y~ log(softmax(z) R^T)).sum()`` with R and the target rows of the batch as dense float32 tensors, which
  underflows at logit gaps above 90
- hierarchicalsoftmax 1.4.4 from PyPI, if it is installed: a conditional softmax a node, another objective over another
  number of logits, with a loop over samples

The probe step is a linear layer of 1,024 features, the loss, the backward and AdamW.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from measure import MIB, Call, available_memory, devices, interleaved, machine, peak_here, peak_memory
from publish import publish
from torch import Tensor, nn
from torch.nn import functional

from hyperdml.hace import HACELoss
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.tables import markdown_table

BATCH, FEATURES, DILUTION = 128, 1024, 0.5

# inner nodes and leaves of every depth below the root, and draws of second parents (1,422 nodes get one in WordNet)
SHAPES: dict[str, tuple[list[int], list[int], int]] = {
    "CIFAR-100": ([20], [0, 100], 0),
    "NABirds": ([22, 228, 205], [0, 0, 290, 265], 0),
    "ImageNet-1k": (
        [2, 4, 8, 16, 28, 44, 60, 66, 56, 40, 26, 13, 6, 2],
        [0, 0, 5, 15, 40, 80, 130, 170, 180, 150, 110, 65, 35, 15, 5],
        0,
    ),
    "iNat21": ([3, 13, 51, 273, 1103, 4900], [0, 0, 0, 0, 0, 0, 10_000], 0),
    "WordNet": (
        [12, 60, 250, 900, 2300, 3600, 3700, 2800, 1600, 800, 400, 170, 70, 30],
        [0, 20, 200, 1500, 5000, 10_000, 12_500, 11_500, 8000, 4800, 2400, 1100, 450, 208, 30],
        1605,
    ),
}
INTRODUCTION = """Forward and backward of the loss of a batch of 128 rows of N logits, one a node, on taxonomies with
the published numbers of nodes, leaves and levels. "Dense R" holds R as a float32 matrix, made before and not counted.
hierarchicalsoftmax is another objective (a softmax for the children of each node) over fewer logits; its loss loops
over samples. A probe step is a linear layer of 1,024 features, the loss, its backward and AdamW; "leaves" are heads of
C outputs."""


@lru_cache
def taxonomy_of(shape: str) -> Taxonomy:
    """A random taxonomy with the counts of a published one."""
    inner, leaves, several = SHAPES[shape]
    rng = np.random.default_rng(0)
    edges, above = [], ["root"]
    everything = [above]
    for depth, count in enumerate(leaves):
        names = [f"{depth + 1}.{i}" for i in range(inner[depth] if depth < len(inner) else 0)]
        ends = [f"{depth + 1}.leaf{i}" for i in range(count)]
        # the first children give every parent one, those left fall where they fall
        left = max(len(names + ends) - len(above), 0)
        parents = rng.permutation(np.r_[: len(above), rng.integers(0, len(above), left)])
        edges += [(above[parent], child) for parent, child in zip(parents, names + ends, strict=False)]
        above = names
        everything.append(names + ends)
    for _ in range(several):
        depth = int(rng.integers(3, len(everything)))
        upper = [name for name in everything[depth - 2] if "leaf" not in name]
        edges.append((upper[rng.integers(len(upper))], everything[depth][rng.integers(len(everything[depth]))]))
    parents_of = {parent for parent, _ in edges}
    classes = dict.fromkeys(child for _, child in edges if child not in parents_of)
    return Taxonomy.from_edges(edges, list(classes))


Objective = Callable[[Tensor, Tensor], Tensor]


def dense_objective(taxonomy: Taxonomy, device: str) -> Objective:
    """The formula with R and the target rows as dense matrices."""
    closure = taxonomy.descendant_closure
    reach = torch.zeros(len(taxonomy), len(taxonomy))
    reach[closure.row_of_values, closure.values.copy()] = 1
    reach = reach.to(device)
    rows = HACELoss(taxonomy, DILUTION)
    target: dict[int, Tensor] = {}

    def objective(logits: Tensor, labels: Tensor) -> Tensor:
        if not target:
            node, weight = rows.target(labels.cpu(), torch.float32)[:2]
            assert node is not None
            assert weight is not None
            made = torch.zeros(len(taxonomy) + 1, len(labels)).scatter_add_(0, node, weight.float())
            target[0] = made[:-1].T.contiguous().to(device)
        return -(target[0] * (logits.softmax(1) @ reach.T).clamp_min(1e-38).log()).sum(1).mean()

    return objective


def looped_objective(taxonomy: Taxonomy) -> tuple[Objective, int]:
    """hierarchicalsoftmax, and its number of logits."""
    from hierarchicalsoftmax import HierarchicalSoftmaxLoss, SoftmaxNode

    made: dict[int, Any] = {}
    parent = taxonomy.parent.tolist()
    for node in range(len(taxonomy) - 1, -1, -1):
        made[node] = SoftmaxNode(taxonomy.names[node], parent=made.get(parent[node]))
    root = made[len(taxonomy) - 1]
    root.set_indexes()
    loss = HierarchicalSoftmaxLoss(root)
    place = torch.tensor([root.node_to_id[made[leaf]] for leaf in range(taxonomy.num_leaves)])
    return lambda logits, labels: loss(logits, place[labels]), root.layer_size


LOSSES = (
    "cross-entropy",
    "HACE",
    "HACE, label smoothing",
    "HACE, soft labels",
    "dense R",
    "hierarchicalsoftmax",
)
PROBES = ("cross-entropy", "HACE", "cross-entropy, leaves", "HACE, leaves")


def objective_of(row: str, taxonomy: Taxonomy, device: str) -> tuple[Objective, int]:
    """What a row computes, and its number of logits."""
    count, leaves = len(taxonomy), taxonomy.num_leaves
    if row.startswith("cross-entropy"):
        return functional.cross_entropy, leaves if row.endswith("leaves") else count
    if row == "dense R":
        return dense_objective(taxonomy, device), count
    if row == "hierarchicalsoftmax":
        return looped_objective(taxonomy)
    options: dict[str, Any] = {
        "HACE": {},
        "HACE, leaves": {"head": "leaves"},
        "HACE, label smoothing": {"label_smoothing": 0.1},
        "HACE, soft labels": {"horizontal": "lca", "beta": 10.0},
    }[row]
    loss = HACELoss(taxonomy, DILUTION, **options).to(device)
    return loss, loss.aggregation.width


def prepare_loss(row: str, shape: str, device: str) -> Call:
    """Forward and backward of a loss."""
    torch.manual_seed(0)
    taxonomy = taxonomy_of(shape)
    objective, width = objective_of(row, taxonomy, device)
    logits = (3 * torch.randn(BATCH, width)).to(device).requires_grad_()
    labels = torch.randint(taxonomy.num_leaves, (BATCH,)).to(device)
    objective(logits.detach(), labels)  # makes what is made once
    return lambda: torch.autograd.grad(objective(logits, labels), logits)


def prepare_probe(row: str, shape: str, device: str) -> Call:
    """A whole step of a linear probe."""
    torch.manual_seed(0)
    taxonomy = taxonomy_of(shape)
    objective, width = objective_of(row, taxonomy, device)
    features = functional.normalize(torch.randn(BATCH, FEATURES), dim=1).to(device)
    labels = torch.randint(taxonomy.num_leaves, (BATCH,)).to(device)
    layer = nn.Linear(FEATURES, width).to(device)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        objective(layer(features), labels).backward()
        optimizer.step()

    step()  # the state of the optimiser is there before
    return step


PREPARE = {"loss": prepare_loss, "probe": prepare_probe}


def reason_to_skip(row: str, shape: str, device: torch.device) -> str | None:
    """Why a row cannot be measured, if it cannot."""
    count = len(taxonomy_of(shape))
    need, there = 4.0 * count * (count + 6 * BATCH), 0.85 * available_memory(device)
    if row == "dense R" and need > there:
        return f"needs {need / 2**30:.0f} GiB, {there / 2**30:.0f} GiB are available"
    if row == "hierarchicalsoftmax":
        if importlib.util.find_spec("hierarchicalsoftmax") is None:
            return "not installed"
        if not taxonomy_of(shape).is_tree:
            return "trees only"
        if device.type != "cpu":
            return "measured on the CPU"
    return None


def measure_device(device: torch.device, shapes: list[str], repeats: int, threads: int) -> list[dict]:
    """Times and peaks of all rows."""
    torch.set_num_threads(threads)
    results = []
    for shape in shapes:
        for kind, rows in (("loss", LOSSES), ("probe", PROBES)):
            skipped = {row: reason_to_skip(row, shape, device) for row in rows}
            calls = {row: PREPARE[kind](row, shape, device.type) for row in rows if not skipped[row]}
            timings = interleaved(calls, repeats, device)
            for row in rows:
                case = {"kind": kind, "row": row, "shape": shape, "device": device.type}
                peak = peak_memory(__file__, case, calls[row]) if row in calls else None
                text = skipped[row] or f"{timings[row]} ms, {(peak or 0) / MIB:.1f} MiB"
                print(f"  {shape} {kind}: {row}: {text}", flush=True)
                results.append(
                    {**case, "threads": threads, "seconds": timings.get(row), "peak": peak, "skipped": skipped[row]}
                )
    return results


def sizes(shapes: list[str]) -> str:
    """What the taxonomies are."""
    lines = []
    for shape in shapes:
        taxonomy = taxonomy_of(shape)
        pairs = len(taxonomy.ancestor_closure.values)
        several = int((taxonomy.parents.counts > 1).sum())
        facts = [len(taxonomy), taxonomy.num_leaves, taxonomy.depth, several, pairs]
        lines.append([shape, *(f"{fact:,}" for fact in facts)])
    heads = ["taxonomy", "nodes N", "leaves C", "depth", "nodes with several parents", "entries of R"]
    return markdown_table(heads, lines)


def tables(results: list[dict], shapes: list[str]) -> str:
    """Markdown: times and memory of the losses and of the steps, with ratios to cross-entropy."""
    found = {(r["kind"], r["row"], r["shape"]): r for r in results}

    def time(r: dict, base: dict) -> str:
        if not r["seconds"]:
            return r["skipped"]
        return f"{r['seconds']}, x {r['seconds'].median / base['seconds'].median:.2f}"

    def memory(r: dict, base: dict) -> str:
        if r["peak"] is None:
            return "–"
        return f"{r['peak'] / MIB:.1f}" + (f", x {r['peak'] / base['peak']:.2f}" if base["peak"] else "")

    parts = []
    for kind, rows, title in (("loss", LOSSES, "loss"), ("probe", PROBES, "probe step")):
        for text, unit in ((time, "ms, median (quartiles), x cross-entropy"), (memory, "MiB at the peak")):
            lines = []
            for row in rows:
                base = rows[2] if row.endswith("leaves") else rows[0]
                lines.append([row, *(text(found[kind, row, s], found[kind, base, s]) for s in shapes)])
            parts.append(markdown_table([f"{title}, {unit}", *shapes], lines))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="CIFAR-100 and NABirds only")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all", help="all: the CPU, and CUDA if any")
    parser.add_argument("--threads", type=int, nargs="+", help="of the CPU; by default 1, then all")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--peak", help=argparse.SUPPRESS)  # measure the memory of one case, in a process of its own
    arguments = parser.parse_args()
    if arguments.peak:
        case = json.loads(arguments.peak)
        prepare = PREPARE[case["kind"]]
        print(peak_here(prepare(case["row"], "CIFAR-100", "cpu"), prepare(case["row"], case["shape"], case["device"])))
        return
    shapes = ["CIFAR-100", "NABirds"] if arguments.quick else list(SHAPES)
    many = torch.get_num_threads()
    counts = arguments.threads or [1, many]
    record, text = [], [INTRODUCTION, machine(), sizes(shapes)]
    for device in devices(arguments.device):
        for threads in dict.fromkeys(counts if device.type == "cpu" else [many]):
            print(f"{device.type}, {threads} threads", flush=True)
            results = measure_device(device, shapes, arguments.repeats, threads)
            record += results
            text += [f"## {device.type.upper()}, {threads} thread{'s' * (threads > 1)}", tables(results, shapes)]
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        publish("hace_engine", "Losses over a taxonomy", " ".join(["python", *sys.argv]), "\n\n".join(text), record)


if __name__ == "__main__":
    main()
