"""Can the proxies' radii be made to matter? Variants of HIER's default mode, scored on the validation classes.

    python benchmarks/radii.py --seeds 5

Every variant adds one thing to the loss of the proxies as it is without usage balancing; the last changes the head.
Purity is dendrogram purity of the proxies' tree; "minus permuted" is what is left of it over the same directions with
each other's radii. Prints a table, and writes docs/results/radii.md and radii.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from publish import publish
from quickstart_table import Lines, interval
from torch import Tensor

from hyperdml.data import load_splits
from hyperdml.hier.levels import (
    LevelPicks,
    closest_ancestor,
    level_attraction,
    level_hinge,
    level_triplets,
)
from hyperdml.hier.objectives import Levelled, relatedness, with_origin
from hyperdml.hier.sampling import uniform
from hyperdml.hier.spaces import Space
from hyperdml.seeds import derive_seed
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.retrieval.scoring import score_part
from hyperdml.training.retrieval.train import train
from hyperdml.training.retrieval.views import Views
from hyperdml.training.settings import load_config
from hyperdml.training.tables import markdown_table
from hyperdml.tree import ProxyTreeReport, proxy_tree_report
from hyperdml.tree.report import RADII

Generator = torch.Generator | None


class Variant(Levelled):
    """The default objective with a term more in the loss of the proxies, of weight 1."""

    def proxy_loss(
        self, space: Space, proxies: Tensor, to_proxies: Tensor, picks: LevelPicks, generator: Generator
    ) -> Tensor:
        usual = super().proxy_loss(space, proxies, to_proxies, picks, generator)
        return usual + self.extra(space, proxies, picks, generator)

    def extra(self, space: Space, proxies: Tensor, picks: LevelPicks, generator: Generator) -> Tensor:
        return proxies.new_zeros(())


class OrderPenalty(Variant):
    """The ancestor of (i, j, k) lies nearer to the origin than that of (i, j), by a gap of 0.5."""

    def extra(self, space: Space, proxies: Tensor, picks: LevelPicks, generator: Generator) -> Tensor:
        radius = torch.cat([space.to_origin(proxies), proxies.new_zeros(1)])
        return (radius[picks.far] - radius[picks.near] + 0.5).clamp_min(0).mean()


class DepthWeight(Variant):
    """Squared radii with weights that fall from the coarsest level to the finest."""

    def extra(self, space: Space, proxies: Tensor, picks: LevelPicks, generator: Generator) -> Tensor:
        parts = space.to_origin(proxies).split(list(self.levels))
        return sum((1 - depth / len(parts)) * part.square().mean() for depth, part in enumerate(parts)) / 16  # type: ignore


class ProxyTriplets(Variant):
    """T_rho between levels: proxies of a level are the points whose ancestors lie one and two levels up."""

    def extra(self, space: Space, proxies: Tensor, picks: LevelPicks, generator: Generator) -> Tensor:
        ends = np.cumsum([0, *self.levels]).tolist()
        total = proxies.new_zeros(())
        for depth in range(1, len(self.levels)):
            start, end = ends[depth], ends[depth + 1]
            nodes, above = proxies[start:end], proxies[:start]
            similarity = relatedness(space.pairwise(nodes, nodes), None)
            triplets = level_triplets(similarity, (self.levels[depth - 1],), 5, generator)[0].flatten(0, 1)
            dist = with_origin(space, nodes.detach(), above)
            near = closest_ancestor(dist[:, ends[depth - 1] : start], triplets[:, :2]) + ends[depth - 1]
            far = torch.full_like(near, start)  # the origin
            if depth > 1:
                far = closest_ancestor(dist[:, ends[depth - 2] : ends[depth - 1]], triplets) + ends[depth - 2]
            found = LevelPicks(triplets, near, far)
            total = total + level_hinge(with_origin(space, nodes, above.detach()), found, self.margin)
            total = total + self.attraction * level_attraction(dist, found)
        return total / (len(self.levels) - 1)


class TauAnnealing(Variant):
    """Ancestors are drawn from softmax(-max d / tau), tau from 0.5 to 0.02 over 400 steps."""

    step = 0

    def pick(self, to_proxies: Tensor, triplets: Tensor, generator: Generator) -> LevelPicks:
        tau = 0.5 * (0.02 / 0.5) ** min(1.0, TauAnnealing.step / 400)
        TauAnnealing.step += 1
        near, far, above, end = [], [], slice(to_proxies.shape[1] - 1, to_proxies.shape[1]), 0
        for size, level in zip(self.levels, triplets.flatten(1, 2), strict=True):
            own = slice(end, end + size)
            for columns, members, out in ((own, level[:, :2], near), (above, level, far)):
                cost = to_proxies.detach()[:, columns][members].amax(1)
                noise = -torch.log(-torch.log(uniform(tuple(cost.shape), cost, generator).clamp(1e-9, 1 - 1e-7)))
                out.append((noise - cost / tau).argmax(1) + columns.start)
            above, end = own, own.stop
        return LevelPicks(triplets.flatten(0, 2), torch.cat(near), torch.cat(far))


CAPTION = """Variants of mode "default" on the quickstart's validation classes, mean over seeds. Purity is dendrogram
purity of the proxies' tree, in brackets what is left of it over the same directions with the radii permuted among the
proxies, mean ± 95 % interval. LCA correlation is Spearman's between the radius of a pair's common ancestor and the
number of levels that the pair shares. All variants but the default go without usage balancing: an *order penalty* (the
ancestor of three lies 0.5 nearer to the origin than that of two), *depth weighting* (squared radii, weights falling
from coarse to fine), *T_rho between levels* (proxies as the points of the level above), *tau annealing* (ancestors
drawn with a temperature that falls from 0.5 to 0.02); the last has a head whose images keep radii of their own."""

VARIANTS: dict[str, tuple[type[Levelled], list[str]]] = {
    "without usage balancing": (Levelled, ["hier.balance=0"]),
    "default (usage balancing)": (Levelled, []),
    "order penalty": (OrderPenalty, ["hier.balance=0"]),
    "depth weighting": (DepthWeight, ["hier.balance=0"]),
    "T_rho between levels": (ProxyTriplets, ["hier.balance=0"]),
    "tau annealing": (TauAnnealing, ["hier.balance=0"]),
    "head with free radii": (Levelled, ["model.head.kind=scaled"]),
}


def run(name: str, seed: int, views: Views, draws: int) -> tuple[dict[str, float], ProxyTreeReport]:
    """Train one variant; its retrieval figures and tree scores on the validation classes."""
    objective, overrides = VARIANTS[name]
    config = load_config("quickstart", [*overrides, f"seed={seed}", "evaluation.every=0", "checkpoint_every=100000"])
    TauAnnealing.step = 0
    with mock.patch("hyperdml.hier.module.Levelled", objective), tempfile.TemporaryDirectory() as folder:
        learner = train(config, views.splits.train, Path(folder), lambda: views.bank).learner
    validation = views.splits.validation
    points = views.embed(learner.model, validation)
    report = proxy_tree_report(
        points,
        learner.hier.proxies_on_ball().detach(),
        validation.levels,
        validation.level_names,
        c=config.model.head.c,
        draws=draws,
        generator=torch.Generator().manual_seed(derive_seed(seed, "nulls")),
    )
    return score_part(config, points, validation), report


def table(results: dict[str, list[tuple[dict[str, float], ProxyTreeReport]]], level_names: Sequence[str]) -> str:
    """One row per variant: mean over seeds, and 95 % intervals of what permuting the radii takes away."""
    names = list(reversed(level_names))
    cells = []
    for name, runs in results.items():
        row = [name, *(f"{100 * np.mean([figures[key] for figures, _ in runs]):.1f}" for key in ("R@1", "H-AP"))]
        for level in names:
            scores = [report.purity[level] for _, report in runs]
            gap = np.array([100 * (score.value - score.nulls[RADII].mean) for score in scores])
            row.append(f"{100 * np.mean([s.value for s in scores]):.1f} ({gap.mean():+.1f} ± {interval(gap):.1f})")
        lca = [report.lca_correlation for _, report in runs]
        gap = np.array([score.value - score.nulls[RADII].mean for score in lca])
        row.append(f"{np.mean([s.value for s in lca]):.2f} ({gap.mean():+.2f} ± {interval(gap):.2f})")
        cells.append(row)
    purity = [f"purity, {level} (minus permuted)" for level in names]
    return markdown_table(["validation classes, %", "R@1", "H-AP", *purity, "LCA correlation (minus permuted)"], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, from 0")
    parser.add_argument("--draws", type=int, default=20, help="permutations of the radii a seed")
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    config = load_config("quickstart")
    splits = load_splits(config.data)
    views = Views(config, splits, feature_folder(), Lines())  # one set of features for all seeds
    results: dict[str, list[tuple[dict[str, float], ProxyTreeReport]]] = {}
    for name in VARIANTS:
        results[name] = []
        for seed in range(arguments.seeds):
            figures, report = run(name, seed, views, arguments.draws)
            results[name].append((figures, report))
            z = [score.nulls[RADII].z for score in report.purity.values()]
            print(
                f"{name}, seed {seed}: z against permuted radii {[None if v is None else round(v, 1) for v in z]}",
                flush=True,
            )
    text = f"{CAPTION}\n\n{table(results, splits.validation.level_names)}"
    print(f"\n{text}")
    if not arguments.no_write:
        command = f"python benchmarks/radii.py --seeds {arguments.seeds} --draws {arguments.draws}"
        publish("radii", "Do the radii of the proxies matter?", command, text, results)


if __name__ == "__main__":
    main()
