"""The quickstart table over several seeds: mean, spread, and the paired difference that HIER makes.

    python benchmarks/quickstart_table.py --seeds 5

Prints the table, and writes docs/results.md and docs/results/quickstart.json. A seed sets the start of head and
proxies, the augmented views, the batches, the triplets and the noise; the split of the classes is fixed. The test
classes are scored once per row and seed.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import stats

from hyperdml.training.environment import environment
from hyperdml.training.folder import create_run
from hyperdml.training.report import markdown_table
from hyperdml.training.result import RunResult
from hyperdml.training.run import execute
from hyperdml.training.settings import load_config

DOCS = Path(__file__).parents[1] / "docs"


class Lines:
    """Progress as one line per piece of work."""

    def message(self, text: str) -> None:
        """Nothing: messages repeat."""

    def start(self, title: str, total: int) -> None:
        """Print the title."""
        print(f"  {title}", flush=True)

    def advance(self, count: int, figures: Mapping[str, float]) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def run_seed(recipe: str, overrides: Sequence[str], seed: int) -> RunResult:
    """All rows of one seed, in a folder that is thrown away."""
    config = load_config(recipe, [*overrides, f"seed={seed}", "evaluation.every=0"])
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        create_run(config, folder)
        return execute(config, folder, Lines())


def interval(values: np.ndarray) -> float:
    """Half width of the 95 % t interval of the mean."""
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def summarise(results: Sequence[RunResult]) -> str:
    """Markdown: rows as mean ± standard deviation, then paired differences with 95 % intervals, in points."""
    names = list(results[0].rows[0].figures)
    titles = [row.title for row in results[0].rows]
    figures = np.array([[[100 * row.figures[n] for n in names] for row in result.rows] for result in results])
    spread = figures.std(0, ddof=1) if len(results) > 1 else np.full(figures.shape[1:], np.nan)
    cells = [
        [title, *(f"{m:.1f} ± {s:.1f}" for m, s in zip(figures[:, i].mean(0), spread[i], strict=True))]
        for i, title in enumerate(titles)
    ]
    pairs = [(len(titles) - 1, len(titles) - 2), (len(titles) - 2, 0)]
    changes = []
    for a, b in pairs:
        gap = figures[:, a] - figures[:, b]
        cells_of_gap = [f"{gap[:, k].mean():+.2f} ± {interval(gap[:, k]):.2f}" for k in range(len(names))]
        changes.append([f"{titles[a]} minus {titles[b]}", *cells_of_gap])
    return (
        f"{markdown_table(['unseen classes, %, mean ± sd', *names], cells)}\n\n"
        f"{markdown_table(['paired by seed, points, mean ± 95 % interval', *names], changes)}"
    )


def radii(results: Sequence[RunResult]) -> str:
    """The radius reports of the main arm, over seeds."""
    reports = [result.radius for result in results]
    clipped = [report.clipped_fraction for report in reports if report.clipped_fraction is not None]
    spread = [report.proxy_radius_std for report in reports if report.proxy_radius_std is not None]
    origin = [report.origin_lca_fraction for report in reports if report.origin_lca_fraction is not None]
    lines = [f"- clipped images: {np.mean(clipped):.1%}"]
    if spread:
        medians = [report.proxy_radius[2] for report in reports if report.proxy_radius is not None]
        lines += [
            f"- radius of the proxies: median {np.mean(medians):.2f}, standard deviation {np.mean(spread):.2f} "
            f"(images: {np.mean([report.embedding_radius[2] for report in reports]):.2f})",
            f"- pairs of images whose best common ancestor is the origin, not a proxy: {np.mean(origin):.1%}",
        ]
    return "\n".join(lines)


def verdict(results: Sequence[RunResult]) -> str:
    """What the paired R@1 difference says, in one sentence."""
    gap = np.array([100 * (r.rows[-1].figures["R@1"] - r.rows[-2].figures["R@1"]) for r in results])
    half = interval(gap)
    title = results[0].rows[-1].title
    if not np.isfinite(half):
        return f"{title}: one seed says nothing about a difference of {gap.mean():+.2f} points R@1."
    low, high = gap.mean() - half, gap.mean() + half
    span = f"{gap.mean():+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}, {len(gap)} seeds"
    if abs(gap.mean()) <= half:
        return f"{title} makes no difference to Recall@1 that these seeds can show: {span}."
    return f"{title} {'raises' if gap.mean() > 0 else 'lowers'} Recall@1 here: {span}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings as key=value, for example hier.mode=paper")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, from 0")
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    results = []
    for seed in range(arguments.seeds):
        print(f"seed {seed}", flush=True)
        results.append(run_seed(arguments.recipe, arguments.overrides, seed))
        print("   ", [round(100 * row.figures["R@1"], 1) for row in results[-1].rows], flush=True)
    command = " ".join(["python benchmarks/quickstart_table.py --seeds", str(arguments.seeds), *arguments.overrides])
    seconds = {row.title: np.mean([r.rows[i].seconds for r in results]) for i, row in enumerate(results[0].rows)}
    packages = environment()["packages"]
    frozen = load_config(arguments.recipe, arguments.overrides).optim.freeze_backbone
    text = "\n\n".join(
        [
            f"`{command}`",
            f"{results[0].images} test images of {results[0].classes} unseen classes, hyperbolic distance; "
            f"the head is trained on {'a frozen' if frozen else 'the fine-tuned'} backbone. Seeds vary the head, the "
            "augmented views, the batches and the proxies; the split of the classes is one. "
            f"Training time a run: {', '.join(f'{t} {s:.0f} s' for t, s in seconds.items() if s)} "
            f"(torch {packages['torch']}, {platform.machine()}, {environment()['torch_threads']} threads).",
            summarise(results),
            verdict(results),
            "Radius report of the HIER row:\n\n" + radii(results),
        ]
    )
    print(f"\n{text}")
    if not arguments.no_write:
        target = DOCS / "results"
        target.mkdir(exist_ok=True)
        record = {"command": command, "environment": environment(), "results": [asdict(result) for result in results]}
        (target / "quickstart.json").write_text(json.dumps(record, indent=1) + "\n")
        head = "# Results\n\nEvery table is printed by the command above it; negative results included."
        (DOCS / "results.md").write_text(f"{head}\n\n## Quickstart\n\n{text}\n")


if __name__ == "__main__":
    main()
