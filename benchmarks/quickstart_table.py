"""The quickstart table over several seeds: means, spreads, paired differences with intervals, trees beside their nulls.

    python benchmarks/quickstart_table.py --seeds 5 'evaluation.controls=[metric,triplet,spherical,euclidean,official]'

Prints the tables, and writes docs/results/quickstart.md and quickstart.json. A seed sets the start of head and
proxies, the augmented views, the batches, the triplets and the noise; the split of the classes is fixed. The test
classes are scored once per row and seed.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from publish import RESULTS, publish
from pydantic import TypeAdapter
from scipy import stats

from hyperdml.training.environment import environment
from hyperdml.training.folder import create_run
from hyperdml.training.retrieval.result import RunResult
from hyperdml.training.retrieval.run import execute
from hyperdml.training.settings import load_config
from hyperdml.training.tables import markdown_table
from hyperdml.tree.report import DIRECTIONS, LABELS, RADII

METRIC = 1  # row of the metric loss alone, after the untrained backbone

TREES = (
    "Trees over the test images: of the learned proxies, and of proxies fitted to the training embeddings afterwards "
    "(`hyperdml.hier.fit_proxies`, k-means per level). Purity is dendrogram purity; z is the distance from a null "
    "model in its standard deviations: random directions of the same radii, labels shuffled, radii permuted among the "
    "proxies. LCA correlation is Spearman's between the radius of a pair's common ancestor and the number of levels "
    "that the pair shares."
)


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
    metric = METRIC
    pairs = [(row, metric) for row in range(metric + 1, len(titles))]
    pairs += [(len(titles) - 1, row) for row in range(metric + 1, len(titles) - 1)]
    pairs.append((metric, 0))
    changes = []
    for a, b in pairs:
        gap = figures[:, a] - figures[:, b]
        cells_of_gap = [f"{gap[:, k].mean():+.2f} ± {interval(gap[:, k]):.2f}" for k in range(len(names))]
        changes.append([f"{titles[a]} minus {titles[b]}", *cells_of_gap])
    return (
        f"{markdown_table(['unseen classes, %, mean ± sd', *names], cells)}\n\n"
        f"{markdown_table(['paired by seed, points, mean ± 95 % interval', *names], changes)}"
    )


def trees(results: Sequence[RunResult]) -> str:
    """Markdown: dendrogram purity of every tree, its z-scores, and what is left of it over each null, over seeds."""
    first = results[0].trees
    levels = list(reversed(first[0].report.purity))
    cells, gaps = [], []
    for index, tree in enumerate(first):
        reports = [result.trees[index].report for result in results]
        row, gap_row = [f"{tree.title}, {tree.source}"], [f"{tree.title}, {tree.source}"]
        for level in levels:
            scores = [report.purity[level] for report in reports]
            z = [
                np.mean([math.nan if score.nulls[null].z is None else score.nulls[null].z for score in scores])
                for null in (DIRECTIONS, LABELS, RADII)
            ]
            row.append(f"{100 * np.mean([s.value for s in scores]):.1f} ({z[0]:.0f}, {z[1]:.0f}, {z[2]:.1f})")
            gap = np.array([100 * (score.value - score.nulls[RADII].mean) for score in scores])
            gap_row.append(f"{gap.mean():+.1f} ± {interval(gap):.1f}")
        lca = [report.lca_correlation for report in reports if report.lca_correlation is not None]
        left = np.array([score.value - score.nulls[RADII].mean for score in lca])
        gap_row += [f"{np.mean([s.value for s in lca]):.2f}", f"{left.mean():+.2f} ± {interval(left):.2f}"]
        depth = np.mean([report.depth for report in reports])
        cells.append([*row, f"{depth:.1f}"])
        gaps.append(gap_row)
    purity = "tree purity, %, mean over seeds (mean z: directions, labels, radii)"
    left_over = "purity minus that of permuted radii, points, mean ± 95 % interval"
    return (
        f"{markdown_table([purity, *levels, 'depth'], cells)}\n\n"
        f"{markdown_table([left_over, *levels, 'LCA correlation', 'minus permuted'], gaps)}"
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
    """What the main arm does to each figure against the metric loss alone, one sentence a figure."""
    lines = []
    for name in results[0].rows[0].figures:
        gap = np.array([100 * (r.rows[-1].figures[name] - r.rows[METRIC].figures[name]) for r in results])
        half = interval(gap)
        span = f"{gap.mean():+.2f} points, 95 % interval {gap.mean() - half:+.2f} to {gap.mean() + half:+.2f}"
        if not np.isfinite(half):
            change = "one seed says nothing about it"
        elif abs(gap.mean()) <= half:
            change = "no difference that these seeds can show"
        else:
            change = "rises" if gap.mean() > 0 else "falls"
        lines.append(f"- {name}: {change} ({span}, {len(gap)} seeds)")
    return f"{results[0].rows[-1].title} against {results[0].rows[METRIC].title}:\n\n" + "\n".join(lines)


def page(results: Sequence[RunResult], recipe: str, overrides: Sequence[str], packages: Mapping[str, str]) -> str:
    """The whole page below the command."""
    frozen = load_config(recipe, overrides).optim.freeze_backbone
    return "\n\n".join(
        [
            f"{results[0].images} test images of {results[0].classes} unseen classes, hyperbolic distance; "
            f"the head is trained on {'a frozen' if frozen else 'the fine-tuned'} backbone. Seeds vary the head, the "
            "augmented views, the batches and the proxies; the split of the classes is one. "
            f"(torch {packages['torch']}, {platform.machine()})",
            summarise(results),
            verdict(results),
            TREES,
            trees(results),
            f"Radius report of the last row ({results[0].rows[-1].title}):\n\n{radii(results)}",
        ]
    )


def stored_results() -> tuple[list[RunResult], dict[str, str]]:
    """Results and package versions of the stored record."""
    record = json.loads((RESULTS / "quickstart.json").read_text())
    return TypeAdapter(list[RunResult]).validate_python(record["results"]), record["environment"]["packages"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings as key=value, for example hier.mode=paper")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, from 0")
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument(
        "--stored", action="store_true", help="print the tables of quickstart.json again, train nothing"
    )
    arguments = parser.parse_args()
    if load_config(arguments.recipe, arguments.overrides).evaluation.controls[:1] != ("metric",):
        parser.error("evaluation.controls must begin with metric, which the other rows are compared with")
    overrides = [shlex.quote(word) for word in arguments.overrides]
    command = " ".join(["python benchmarks/quickstart_table.py --seeds", str(arguments.seeds), *overrides])
    if arguments.stored:
        results, packages = stored_results()
    else:
        packages = environment()["packages"]
        results = []
        for seed in range(arguments.seeds):
            print(f"seed {seed}", flush=True)
            results.append(run_seed(arguments.recipe, arguments.overrides, seed))
            print("   ", [round(100 * row.figures["R@1"], 1) for row in results[-1].rows], flush=True)
    text = page(results, arguments.recipe, arguments.overrides, packages)
    print(f"\n{command}\n\n{text}")
    if not arguments.no_write:
        publish("quickstart", "Quickstart", command, text, results)


if __name__ == "__main__":
    main()
