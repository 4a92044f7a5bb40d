"""One HIER step, forward and backward: time and peak memory against the equations as written and against geoopt.

    python benchmarks/hier_step.py

Prints the tables and writes docs/results/hier_step.md and hier_step.json. Every row does one step on N points of the
clipping radius with P = 512 proxies at their random start, K = 20 and 50 triplets an anchor, where nearly all hinges
are active: the most expensive case for this package, whose backward skips the others on a CPU. Rows:

- equations as written: Möbius addition for all pairs of the N + P points, one (N+P) x (N+P) matrix as in the released
  code; a loop over anchors for the triplets; hard Gumbel-softmax over triplets x proxies; autograd
- the same, only the blocks that are used: N x N without gradient, N x P and P x P
- geoopt: its broadcast distance for these blocks, the rest as written
- this package, `HIER(mode="official")` and `HIER(mode="paper")`, the exact straight-through gradient
- hard gradient: the paper's mode without the gradient of the soft weights, which is another estimator
- `HIER(mode="default")`: the package's own objective on 8 + 32 + 128 + 512 proxies, which is another objective

The share of a training step is against ViT-S/16 (timm vit_small_patch16_224 and a linear head, AdamW).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from distance import geoopt_distance
from measure import MIB, Call, Timing, available_memory, devices, interleaved, machine, peak_here, peak_memory
from publish import publish
from torch import Tensor, nn
from torch.nn import functional

from hyperdml.geometry import ToPoincare, clip_norm, expmap0, pairwise_distance
from hyperdml.hier import HIER, hier_triplet_loss, reciprocal_mask
from hyperdml.hier.sampling import draw_triplets
from hyperdml.training.tables import markdown_table

C, CLIP, PROXIES, K, PER_ANCHOR, TAU, MARGIN = 0.1, 2.3, 512, 20, 50, 0.1, 0.1
SIZES = [(n, d) for d in (128, 384, 512) for n in (90, 180, 900)]
VIT_IMAGES = {"cpu": 8, "cuda": 180}
Distance = Callable[[Tensor, Tensor], Tensor]
INTRODUCTION = """Forward and backward of one step on N points with P = 512 proxies at their random start, K = 20, 50
triplets an anchor. "As written" is our transcription of the equations: Möbius addition for all pairs of points in one
(N+P) x (N+P) x d tensor, as in the released code, or in the blocks that are used; a loop over anchors for the
triplets; hard Gumbel-softmax over triplets x proxies; autograd. The rows of `HIER` take the same gradient (exact
straight-through) in modes "official" and "paper". The hard gradient is another estimator and mode "default" another
objective, neither a stand-in for the others."""


def mobius_distance(x: Tensor, y: Tensor) -> Tensor:
    """``(2 / sqrt(c)) artanh(sqrt(c) |(-x) (+) y|)`` with the N x M x d Möbius sums."""
    xy = x @ y.T
    x2, y2 = (x * x).sum(1)[:, None], (y * y).sum(1)[None]
    numerator = (1 - 2 * C * xy + C * y2)[..., None] * -x[:, None] + (1 - C * x2)[..., None] * y[None]
    gap = numerator / (1 - 2 * C * xy + C * C * x2 * y2)[..., None]
    return 2 / C**0.5 * torch.atanh((C**0.5 * gap.norm(dim=-1)).clamp_max(1 - 1e-5))


def looped_triplets(similarity: Tensor) -> Tensor:
    """(T, 3) triplets, anchor by anchor, as the released code draws them."""
    near = torch.zeros_like(similarity).scatter_(1, similarity.topk(min(K, len(similarity))).indices, 1)
    mutual = (near * near.T).fill_diagonal_(-1)
    found = []
    for i, row in enumerate(mutual):
        related, others = (row == 1).nonzero()[:, 0], (row < 1).nonzero()[:, 0]
        if len(related) > 1:
            j = related[torch.randint(len(related), (PER_ANCHOR,), device=row.device)]
            k = others[torch.randint(len(others), (PER_ANCHOR,), device=row.device)]
            found.append(torch.stack([torch.full_like(j, i), j, k], 1))
    return torch.cat(found) if found else torch.zeros(0, 3, dtype=torch.int64, device=similarity.device)


def written_loss(dist: Tensor, triplets: Tensor) -> Tensor:
    """Eq. 8 and 9 through autograd, with hard Gumbel-softmax over triplets x proxies."""
    d_i, d_j, d_k = (dist[node] for node in triplets.T)
    pair = torch.maximum(d_i, d_j)
    first = functional.gumbel_softmax(-pair / TAU, hard=True)
    second = functional.gumbel_softmax(-torch.maximum(pair, d_k) / TAU, hard=True)
    near, far = ([(d * pick).sum(1) for d in (d_i, d_j, d_k)] for pick in (first, second))
    hinges = [near[0] - far[0], near[1] - far[1], far[2] - near[2]]
    differ = first.argmax(1) != second.argmax(1)
    return (sum(torch.relu(hinge + MARGIN) for hinge in hinges) * differ).mean()


def written_step(distance: Distance, whole: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The objective as written, from one matrix of all points or from the blocks that it needs."""

    def step(points: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
        nodes = expmap0(clip_norm(proxies, CLIP), C)
        if whole:
            n = len(points)
            everything = torch.cat([points, nodes])
            dist = distance(everything, everything)
            within, across, between = dist[:n, :n].detach(), dist[:n, n:], dist[n:, n:]
        else:
            with torch.no_grad():
                within = distance(points, points)
            across, between = distance(points, nodes), distance(nodes, nodes)
        similarity = torch.exp(-within) + (labels[:, None] == labels[None])
        samples = written_loss(across, looped_triplets(similarity))
        return samples + written_loss(between, looped_triplets(torch.exp(-between.detach())))

    return step


def hard_step(points: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """The paper's mode of this package without the gradient of the soft weights."""
    nodes = expmap0(clip_norm(proxies, CLIP), C)
    total = points.new_zeros(())
    for members in (points, nodes):
        similarity = torch.exp(-pairwise_distance(members.detach(), members.detach(), C))
        triplets, valid = draw_triplets(reciprocal_mask(similarity, K + 1), PER_ANCHOR)
        total = total + hier_triplet_loss(
            pairwise_distance(members, nodes, C),
            triplets.flatten(0, 1),
            TAU,
            MARGIN,
            exclude_pair_lca=True,
            straight_through=False,
            weight=valid.repeat_interleave(PER_ANCHOR),
        )
    return total


def published(mode: str, n: int, d: int, count: int) -> nn.Module:
    """`HIER` in a published mode."""
    return HIER(d, count, mode=mode, c=C, clip_r=CLIP, k=K, per_anchor=PER_ANCHOR, tau=TAU, margin=MARGIN)


def default_mode(n: int, d: int, count: int) -> nn.Module:
    """`HIER` in its own mode, its proxies started from 2048 points."""
    levels = tuple(size for size in (8, 32, 128, 512) if size <= count)
    hier = HIER(d, mode="default", levels=levels, c=C, clip_r=CLIP)
    return hier.fit_proxies(ToPoincare(C, CLIP)(torch.randn(4 * count, d) * 3))


ROWS: dict[str, Any] = {
    "equations as written": written_step(mobius_distance, whole=True),
    "as written, used blocks only": written_step(mobius_distance, whole=False),
    "geoopt distance, rest as written": written_step(geoopt_distance, whole=False),
    "HIER official": "official",
    "HIER paper": "paper",
    "hard gradient (another estimator)": hard_step,
    "HIER default (another objective)": "default",
}


def prepare(row: str, n: int, d: int, device: str, count: int = PROXIES) -> Call:
    """One step of a row: forward, backward, gradients of points and proxies."""
    torch.manual_seed(0)
    points = ToPoincare(C, CLIP)(torch.randn(n, d) * 3).to(device).requires_grad_()
    labels = torch.arange(n, device=device) // 2
    kind = ROWS[row]
    if kind in ("official", "paper", "default"):
        hier = (default_mode(n, d, count) if kind == "default" else published(kind, n, d, count)).to(device)
        objective, leaves = (lambda: hier(points, labels)), [points, *hier.parameters()]
    else:
        proxies = (torch.randn(count, d, device=device) * (0.9 * CLIP / d**0.5)).requires_grad_()
        objective, leaves = (lambda: kind(points, labels, proxies)), [points, proxies]
    return lambda: torch.autograd.grad(objective(), leaves)


def expected_bytes(row: str, n: int, d: int) -> float:
    """Rough need of a row that builds pairs x d tensors; 0 for the others.

    As measured at N = 180: the larger of 7 such tensors (backward of the distances) and of 3 beside 22 tensors of
    triplets x proxies (backward of the loss).
    """
    if ROWS[row] in ("official", "paper", "default", hard_step):
        return 0
    pairs = (n + PROXIES) ** 2 if row == "equations as written" else n * PROXIES + PROXIES**2
    wide, long = 4.0 * pairs * d, 4.0 * PER_ANCHOR * (n + PROXIES) * PROXIES
    return max(7 * wide, 3 * wide + 22 * long)


def vit_step(device: str, images: int, d: int = 128) -> Call:
    """A training step of ViT-S/16 with a linear head: forward, backward, AdamW; bfloat16 autocast on CUDA."""
    import timm

    torch.manual_seed(0)
    body = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0)
    model = nn.Sequential(body, nn.Linear(body.num_features, d)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    batch = torch.randn(images, 3, 224, 224, device=device)

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            value = model(batch).float().square().mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def measure_device(device: torch.device, sizes: list[tuple[int, int]], repeats: int, threads: int) -> list[dict]:
    """Times of all rows and sizes under a number of threads; peak memory along with the first."""
    torch.set_num_threads(threads)
    results = []
    for n, d in sizes:
        calls, peaks, skipped = {}, {}, {}
        for row in ROWS:
            need, there = expected_bytes(row, n, d), 0.85 * available_memory(device)
            if need > there:
                skipped[row] = f"needs about {need / 2**30:.0f} GiB, {there / 2**30:.0f} GiB are available"
                print(f"  N={n} d={d}: {row} skipped, {skipped[row]}", flush=True)
                continue
            calls[row] = prepare(row, n, d, device.type)
        timings = interleaved(calls, repeats, device)
        if threads == 1 or device.type == "cuda":
            for row, call in calls.items():
                peaks[row] = peak_memory(__file__, {"row": row, "n": n, "d": d, "device": device.type}, call)
        for row in ROWS:
            if row in timings:
                memory = f"{peaks[row] / MIB:.0f} MiB" if row in peaks else ""
                print(f"  N={n} d={d}: {row}: {timings[row]} ms {memory}", flush=True)
            results.append(
                {
                    "device": device.type,
                    "threads": threads,
                    "row": row,
                    "n": n,
                    "d": d,
                    "seconds": timings.get(row),
                    "peak_bytes": peaks.get(row),
                    "skipped": skipped.get(row),
                }
            )
    return results


def tables(results: list[dict], sizes: list[tuple[int, int]], threads: int) -> str:
    """Markdown: times, ratios to the first two rows, and memory where it was measured."""
    found = {(r["row"], r["n"], r["d"]): r for r in results}
    written = list(ROWS)[:2]

    def time(r: dict) -> str:
        return str(r["seconds"]) if r["seconds"] else "skipped"

    def ratio(r: dict) -> str:
        others = [found[name, r["n"], r["d"]]["seconds"] for name in written]
        return " / ".join(f"{o.median / r['seconds'].median:.1f}" if o and r["seconds"] else "–" for o in others)

    def memory(r: dict) -> str:
        return "–" if r["peak_bytes"] is None else f"{r['peak_bytes'] / MIB:.0f}"

    def table(title: str, text: Callable[[dict], str]) -> str:
        lines = [[row, *(text(found[row, *size]) for size in sizes)] for row in ROWS]
        return markdown_table([title, *(f"N={n}, d={d}" for n, d in sizes)], lines)

    parts = [
        table(f"time, ms, {threads} thread{'s' * (threads > 1)}, median (quartiles)", time),
        table(f"times faster than {written[0]} / {written[1]}", ratio),
    ]
    if any(r["peak_bytes"] is not None for r in results):
        parts.append(table("peak memory, MiB", memory))
    return "\n\n".join(parts)


def share(device: torch.device, timing: Timing, images: int, results: list[dict]) -> str:
    """What a HIER step costs beside a step of ViT-S/16."""
    seconds = timing.median
    text = f"A training step of ViT-S/16 with {images} images takes {timing} ms on {device.type}"
    if device.type == "cpu":
        seconds *= 180 / images
        text += f"; extrapolated per image, not measured, {seconds:.0f} s with 180"
    parts = []
    for r in results:
        if r["n"] == 180 and r["d"] == 128 and r["seconds"] and r["row"].startswith("HIER"):
            hier = r["seconds"].median
            parts.append(f"{r['row']} {hier / (hier + seconds):.1%}")
    return f"{text}. Share of HIER in a step of 180 images: {', '.join(parts) or 'N = 180, d = 128 was not measured'}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="N = 90 and 180, d = 128 only")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all", help="all: the CPU, and CUDA if any")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--peak", help=argparse.SUPPRESS)  # measure the memory of one case, in a process of its own
    arguments = parser.parse_args()
    if arguments.peak:
        case = json.loads(arguments.peak)
        print(peak_here(prepare(case["row"], 8, 8, "cpu", count=40), prepare(**case)))
        return
    sizes = [(90, 128), (180, 128)] if arguments.quick else SIZES
    many = torch.get_num_threads()
    record, text = [], [INTRODUCTION, machine()]
    for device in devices(arguments.device):
        for threads in dict.fromkeys([1, many] if device.type == "cpu" else [many]):
            print(f"{device.type}, {threads} threads", flush=True)
            results = measure_device(device, sizes, arguments.repeats, threads)
            images = VIT_IMAGES[device.type]
            timing = interleaved({"vit": vit_step(device.type, images)}, arguments.repeats, device)["vit"]
            vit = {"device": device.type, "threads": threads, "row": "ViT-S/16", "images": images, "seconds": timing}
            record += [*results, vit]
            text += [
                f"## {device.type.upper()}",
                tables(results, sizes, threads),
                share(device, timing, images, results),
            ]
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        publish("hier_step", "One HIER step", " ".join(["python", *sys.argv]), "\n\n".join(text), record)


if __name__ == "__main__":
    main()
