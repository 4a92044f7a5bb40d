"""All hyperbolic distances between two sets of points: time, peak memory and error of four ways to compute them.

    python benchmarks/distance.py

Prints the tables and writes docs/results/distance.md and distance.json. The ways:

- this package: `pairwise_distance`
- geoopt: `PoincareBall.dist`, broadcast
- plain Gram: |x-y|^2 from one float32 product, the same formula, autograd
- floors, Euclidean distances alone: torch.cdist as it comes (a float32 product) and on differences
  (compute_mode="donot_use_mm_for_euclid_dist"), the one that keeps the digits of near pairs

Errors: largest relative error, against 50 digits (mpmath) from the same float32 coordinates, of pairs at the clipping
radius in random directions, of near pairs there (tangent vectors 0.001 apart) and of pairs near the rim
(c |x|^2 = 0.998); of the distance of a point to itself the absolute error.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
from measure import MIB, Call, available_memory, devices, interleaved, machine, peak_here, peak_memory
from publish import publish
from torch import Tensor

from hyperdml.geometry import ToPoincare, pairwise_distance
from hyperdml.training.tables import markdown_table

C, CLIP = 0.1, 2.3
SHAPES = [(90, 512), (692, 692), (900, 512), (5000, 5000)]
SIZES = [(n, m, d) for d in (128, 512) for n, m in SHAPES]
PASSES = ("forward", "forward + backward")
CHECKED = 24  # points of each kind whose errors are computed
Distance = Callable[[Tensor, Tensor], Tensor]
INTRODUCTION = """All distances between two sets of points, with and without gradients. `torch.cdist`, the floor, gives
Euclidean distances: as it comes by a float32 product, which loses the digits of near pairs, and on differences, which
keeps them. Errors are against 50 digits from the same float32 coordinates: of pairs at the clipping radius, of near
pairs there (tangent vectors 0.001 apart), of pairs near the rim (c |x|^2 = 0.998); the last column is absolute."""


def ours(x: Tensor, y: Tensor) -> Tensor:
    """This package."""
    return pairwise_distance(x, y, C)


def geoopt_distance(x: Tensor, y: Tensor) -> Tensor:
    """The distance of geoopt, broadcast."""
    return _ball(x.device).dist(x[:, None], y[None])


@functools.cache
def _ball(device: torch.device) -> Any:
    import geoopt

    return geoopt.PoincareBall(c=C).to(device)


def gram(x: Tensor, y: Tensor) -> Tensor:
    """``(2 / sqrt(c)) arsinh(sqrt(s))`` with s from a float32 Gram matrix, through autograd."""
    x2, y2 = (x * x).sum(1, keepdim=True), (y * y).sum(1)[None]
    s = C * (x2 + y2 - 2 * x @ y.T) / ((1 - C * x2) * (1 - C * y2))
    s = s.clamp_min(1e-30)
    return 2 / math.sqrt(C) * torch.log1p(s.sqrt() + s / (1 + (1 + s).sqrt()))


def cdist(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances, by a product."""
    return torch.cdist(x, y)


def cdist_differences(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances, by differences."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


ROWS: dict[str, Distance] = {
    "this package": ours,
    "geoopt, broadcast": geoopt_distance,
    "plain Gram, autograd": gram,
    "torch.cdist (Euclidean)": cdist,
    "torch.cdist on differences (Euclidean)": cdist_differences,
}


def prepare(row: str, n: int, m: int, d: int, device: str, backward: bool) -> Call:
    """One call of a row, with or without the gradients of both sets of points."""
    torch.manual_seed(0)
    into_ball = ToPoincare(C, CLIP)
    x, y = (into_ball(torch.randn(count, d) * 3).to(device).requires_grad_(backward) for count in (n, m))
    weight = torch.rand(n, m, device=device) if backward else None
    distance = ROWS[row]
    if weight is None:
        return lambda: distance(x, y)
    return lambda: torch.autograd.grad(distance(x, y), (x, y), weight)


def expected_bytes(row: str, n: int, m: int, d: int, backward: bool) -> float:
    """Rough need of the broadcast distance, as measured at 692 x 692; 0 for the others."""
    return (5.5 if backward else 3.5) * 4 * n * m * d if row.startswith("geoopt") else 0.0


def points_of(kind: str, d: int) -> tuple[Tensor, Tensor]:
    """Pairs (x_i, y_i) of float32 points, for the errors."""
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.nn.functional.normalize(torch.randn(CHECKED, d, generator=generator)) for _ in range(2))
    if kind == "near the rim":
        return u * math.sqrt(0.998 / C), v * math.sqrt(0.998 / C)
    if kind == "near pairs":
        v = u * CLIP + v * 1e-3
    into_ball = ToPoincare(C, CLIP)
    return into_ball(u * 3), into_ball(v * 3 if kind == "random pairs" else v)


def exact(x: Tensor, y: Tensor) -> list[Any]:
    """Distances of corresponding points in 50 digits."""
    from mpmath import mp, mpf

    mp.dps = 50
    found = []
    for a, b in zip(x.double().tolist(), y.double().tolist(), strict=True):
        gap2 = sum((mpf(p) - mpf(q)) ** 2 for p, q in zip(a, b, strict=True))
        rim = [1 - mpf(C) * sum(mpf(p) ** 2 for p in point) for point in (a, b)]
        found.append(2 / mp.sqrt(mpf(C)) * mp.asinh(mp.sqrt(mpf(C) * gap2 / (rim[0] * rim[1]))))
    return found


def errors(row: str, d: int, device: str) -> dict[str, float]:
    """Largest relative error by kind of pair, and the largest distance of a point to itself."""
    distance, found = ROWS[row], {}
    for kind in ("random pairs", "near pairs", "near the rim"):
        x, y = points_of(kind, d)
        values = distance(x.to(device), y.to(device)).diagonal().double().tolist()
        wanted = exact(x, y)
        found[kind] = max(float(abs(v - w) / w) for v, w in zip(values, wanted, strict=True))
    x = points_of("random pairs", d)[0].to(device)
    found["d(x, x)"] = float(distance(x, x).diagonal().abs().max())
    return found


def measure_device(device: torch.device, sizes: list[tuple[int, int, int]], repeats: int, threads: int) -> list[dict]:
    """Times of all rows, sizes and passes under a number of threads; peak memory along with the first."""
    torch.set_num_threads(threads)
    results = []
    for n, m, d in sizes:
        for name in PASSES:
            backward = name != PASSES[0]
            calls, skipped = {}, {}
            for row in ROWS:
                need, there = expected_bytes(row, n, m, d, backward), 0.85 * available_memory(device)
                if need > there:
                    skipped[row] = f"needs about {need / 2**30:.0f} GiB, {there / 2**30:.0f} GiB are available"
                    print(f"  {n} x {m}, d={d}, {name}: {row} skipped, {skipped[row]}", flush=True)
                    continue
                calls[row] = prepare(row, n, m, d, device.type, backward)
            timings = interleaved(calls, repeats, device)
            for row in ROWS:
                case = {"row": row, "n": n, "m": m, "d": d, "device": device.type, "backward": backward}
                measured = row in calls and (threads == 1 or device.type == "cuda")
                peak = peak_memory(__file__, case, calls[row]) if measured else None
                if row in timings:
                    memory = "" if peak is None else f", {peak / MIB:.1f} MiB"
                    print(f"  {n} x {m}, d={d}, {name}: {row}: {timings[row]} ms{memory}", flush=True)
                more = {"threads": threads, "seconds": timings.get(row), "peak_bytes": peak}
                results.append({**case, **more, "skipped": skipped.get(row)})
    return results


def tables(results: list[dict], sizes: list[tuple[int, int, int]], threads: int) -> str:
    """Markdown: times and ratios of both passes, and memory where it was measured."""
    found = {(r["row"], r["n"], r["m"], r["d"], r["backward"]): r for r in results}
    header = [f"{n} x {m}, d={d}" for n, m, d in sizes]

    def table(title: str, text: Callable[[dict, dict], str], backward: bool) -> str:
        lines = []
        for row in ROWS:
            pairs = [(found[row, *size, backward], found["this package", *size, backward]) for size in sizes]
            lines.append([row, *(text(*pair) for pair in pairs)])
        return markdown_table([title, *header], lines)

    def time(r: dict, own: dict) -> str:
        return str(r["seconds"]) if r["seconds"] else "skipped"

    def ratio(r: dict, own: dict) -> str:
        return f"{r['seconds'].median / own['seconds'].median:.2f}" if r["seconds"] else "–"

    def memory(r: dict, own: dict) -> str:
        return "–" if r["peak_bytes"] is None else f"{r['peak_bytes'] / MIB:.1f}"

    parts = []
    for name in PASSES:
        backward = name != PASSES[0]
        counted = f"{threads} thread{'s' * (threads > 1)}"
        parts.append(table(f"{name}, ms, {counted}, median (quartiles)", time, backward))
        parts.append(table(f"{name}, time over that of this package", ratio, backward))
        if any(r["peak_bytes"] is not None for r in results):
            parts.append(table(f"{name}, peak memory, MiB", memory, backward))
    return "\n\n".join(parts)


def error_table(found: dict[str, dict[str, float]], d: int) -> str:
    """Markdown of the errors."""
    kinds = list(next(iter(found.values())))
    cells = [[row, *(f"{values[kind]:.1e}" for kind in kinds)] for row, values in found.items()]
    return markdown_table([f"largest error, float32, d={d}", *kinds], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="90 x 512 and 692 x 692, d = 128 only")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all", help="all: the CPU, and CUDA if any")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--peak", help=argparse.SUPPRESS)  # measure the memory of one case, in a process of its own
    arguments = parser.parse_args()
    if arguments.peak:
        case = json.loads(arguments.peak)
        print(peak_here(prepare(**{**case, "n": 32, "m": 32, "d": 8}), prepare(**case)))
        return
    sizes = [(90, 512, 128), (692, 692, 128)] if arguments.quick else SIZES
    many = torch.get_num_threads()
    record, text = [], [INTRODUCTION, machine()]
    for device in devices(arguments.device):
        text.append(f"## {device.type.upper()}")
        for d in dict.fromkeys(size[2] for size in sizes):
            hyperbolic = [row for row in ROWS if "Euclidean" not in row]
            found = {row: errors(row, d, device.type) for row in hyperbolic}
            record += [{"device": device.type, "d": d, "row": row, "errors": values} for row, values in found.items()]
            text.append(error_table(found, d))
        for threads in dict.fromkeys([1, many] if device.type == "cpu" else [many]):
            print(f"{device.type}, {threads} threads", flush=True)
            results = measure_device(device, sizes, arguments.repeats, threads)
            record += results
            text.append(tables(results, sizes, threads))
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        publish("distance", "Pairwise distances", " ".join(["python", *sys.argv]), "\n\n".join(text), record)


if __name__ == "__main__":
    main()
