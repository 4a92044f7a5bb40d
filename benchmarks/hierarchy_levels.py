"""Do more levels of proxies make their radii matter? Mode "default" of HIER by its levels, on the validation classes.

    python benchmarks/hierarchy_evidence.py --choose

makes it, with the seeds that the comparison does not use, and `hierarchy_evidence.py` puts it on its page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from hierarchy_arms import FINE_LEVELS, default_config, trained
from publish import RESULTS
from pydantic import TypeAdapter
from quickstart_table import interval

from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.hier.fit import LEVELS
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.scoring import score_part
from hyperdml.training.retrieval.views import Views
from hyperdml.training.tables import markdown_table
from hyperdml.tree import proxy_tree_report
from hyperdml.tree.report import RADII

TRIED = RESULTS / "hierarchy_evidence_levels.json"
SEEDS = (100, 101, 102, 103)
DRAWS = 20
SHOWN = ("R@1", "H-AP")

SETS: dict[str, tuple[int, ...]] = {
    "levels times 4 from 8": LEVELS,
    "levels times 2 from 8": tuple(2**power for power in range(3, 10)),
    "levels times 2 from 2": FINE_LEVELS,
    "levels times 1.5 from 2": (2, 3, 4, 6, 9, 14, 21, 32, 48, 72, 108, 162, 243, 365, 547),
}


@dataclass(frozen=True)
class Tried:
    """One run.

    Attributes:
        levels: their name in `SETS`.
        seed: of the run.
        figures: retrieval figures of the validation classes.
        purity: level name to dendrogram purity of the tree of the proxies.
        permuted: level name to the mean of that purity with the radii permuted.
        z: level name to the distance from that null in its standard deviations.
        lca: correlation of the common ancestor's radius with the levels shared, its mean with permuted radii, and z.
    """

    levels: str
    seed: int
    figures: dict[str, float]
    purity: dict[str, float]
    permuted: dict[str, float]
    z: dict[str, float | None]
    lca: tuple[float, float, float | None]


def try_levels(work: Path, overrides: Sequence[str], progress: Progress) -> list[Tried]:
    """Train and score every set of levels with every seed, and keep what came out.

    Args:
        work: folder of the run folders.
        overrides: settings of all tries.
        progress: told about everything.
    """
    found: list[Tried] = []
    views: Views | None = None
    for name, levels in SETS.items():
        config = default_config([*overrides, f"hier.levels={list(levels)}"])
        for seed in SEEDS:
            folder = trained(name, config, seed, work, progress)
            views = views or Views(config, load_splits(config.data), feature_folder(), progress)
            found.append(_scored(name, config, seed, folder, views))
    write_atomic(TRIED, (TypeAdapter(list[Tried]).dump_json(found, indent=1)) + b"\n")
    return found


def load_tried() -> list[Tried]:
    """What `try_levels` kept."""
    if not TRIED.is_file():
        raise DataError(f"{TRIED} is missing: python benchmarks/hierarchy_evidence.py --choose makes it")
    return TypeAdapter(list[Tried]).validate_json(TRIED.read_bytes())


def levels_table(found: Sequence[Tried]) -> str:
    """Markdown: means over seeds; purity, what permuted radii leave less ± its 95 % interval, and mean z."""
    names = list(reversed(found[0].purity))
    lines = []
    for title in dict.fromkeys(one.levels for one in found):
        own = [one for one in found if one.levels == title]
        cells = [f"{100 * np.mean([one.figures[figure] for one in own]):.1f}" for figure in SHOWN]
        for name in names:
            value = np.array([100 * one.purity[name] for one in own])
            gap = value - [100 * one.permuted[name] for one in own]
            cells.append(
                f"{value.mean():.1f} ({gap.mean():+.1f} ± {interval(gap):.1f}, {_z([o.z[name] for o in own])})"
            )
        gap = np.array([one.lca[0] - one.lca[1] for one in own])
        score = _z([one.lca[2] for one in own])
        cells.append(f"{np.mean([one.lca[0] for one in own]):.2f} ({gap.mean():+.2f} ± {interval(gap):.2f}, {score})")
        lines.append([title, f"{sum(SETS[title])}", *cells])
    purity = [f"purity, {name} (minus permuted, z)" for name in names]
    return markdown_table(["validation classes, %", "proxies", *SHOWN, *purity, "LCA correlation"], lines)


def records(found: Sequence[Tried]) -> list[dict[str, object]]:
    """For JSON."""
    return [asdict(one) for one in found]


def _z(scores: Sequence[float | None]) -> str:
    return f"z {np.mean([score for score in scores if score is not None]):.1f}"


@torch.no_grad()
def _scored(name: str, config: TrainConfig, seed: int, folder: Path, views: Views) -> Tried:
    part, stored = views.splits.validation, EmbeddingSet.load(folder)
    if part is None:
        raise DataError("the data has no validation classes")
    points = views.embed(EmbeddingModel.from_pretrained(folder / "model").to(views.device), part)
    if stored.proxies is None:
        raise DataError(f"{folder} has no proxies")
    report = proxy_tree_report(
        points,
        stored.proxies,
        part.levels,
        part.level_names,
        c=stored.c,
        draws=DRAWS,
        generator=torch.Generator().manual_seed(derive_seed(seed, "nulls")),
    )
    lca = report.lca_correlation
    if lca is None:
        raise DataError("the validation classes have no levels above them")
    scores = report.purity
    return Tried(
        name,
        seed,
        score_part(replace(config, seed=seed), points, part),
        {level: score.value for level, score in scores.items()},
        {level: score.nulls[RADII].mean for level, score in scores.items()},
        {level: score.nulls[RADII].z for level, score in scores.items()},
        (lca.value, lca.nulls[RADII].mean, lca.nulls[RADII].z),
    )
