"""What hierarchy embeddings hold: trees over unseen emoji classes, scored beside null models, arm by arm.

    python benchmarks/hierarchy_evidence.py --choose            # what is chosen on validation classes
    python benchmarks/hierarchy_evidence.py --seeds 5 --publish

Trains every arm of `hierarchy_arms.py` with every seed into `--work` (run folders that are kept: a second start goes
on, and `--seeds 1,3` makes a share), grows six kinds of trees over the test images of each and scores them with
`hyperdml.tree.hierarchy.hierarchy_of`. The scores are kept in the run folders too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from hierarchy_arms import (
    DEFAULT,
    DOUBLING,
    FINE_LEVELS,
    OWN_CHOICES,
    PA,
    UNTRAINED,
    choose_own,
    evidence_arms,
    trained,
)
from hierarchy_layout import nulls_page, page
from hierarchy_levels import TRIED, load_tried, try_levels
from hierarchy_levels import records as tried_records
from hierarchy_order import Ordered, ordered
from hierarchy_scored import CLASSES, FITTED, FITTED_FINE, IMAGES, LEARNED, VOTED, Scored
from paper_choice import SEEDS
from publish import RESULTS, publish
from quickstart_table import Lines

from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.errors import ConfigError, DataError, HyperdmlError
from hyperdml.files import write_atomic
from hyperdml.geometry import dist0, lorentz_centroids
from hyperdml.hier import fit_proxies
from hyperdml.hier.fit import LEVELS
from hyperdml.seeds import derive_seed
from hyperdml.training.compare.words import read_seeds
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.hierarchy import run_hierarchy
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import create_model
from hyperdml.training.retrieval.result import load_result
from hyperdml.training.retrieval.views import Views
from hyperdml.training.subject import subject_of
from hyperdml.viz.subject import Subject

_ROUNDING = 1e-4


def of_classes(found: EmbeddingSet) -> EmbeddingSet:
    """The midpoint of every class, as a point with the levels above it."""
    if found.labels is None or found.levels is None:
        raise ValueError("classes need labels and levels")
    classes, place = found.labels.unique(return_inverse=True)
    points, _ = lorentz_centroids(found.points.double(), place, len(classes), c=found.c)
    first = torch.stack([(place == one).nonzero()[0, 0] for one in range(len(classes))])
    return replace(found, points=points, labels=found.labels[first], levels=found.levels[first], proxies=None)


def kinds(title: str, test: EmbeddingSet, train: torch.Tensor, seed: int) -> Iterator[tuple[str, str, EmbeddingSet]]:
    """Name, method of `extract_tree` and embeddings of every tree."""
    yield IMAGES, "average", replace(test, proxies=None)
    yield CLASSES, "average", of_classes(test)
    for kind, levels in ((FITTED, LEVELS), (FITTED_FINE, FINE_LEVELS)):
        if kind == FITTED or title in (PA, DOUBLING):
            fitted = fit_proxies(train, levels, c=test.c, seed=derive_seed(seed, "fitted proxies"))
            yield kind, "nearest_ancestor", replace(test, proxies=fitted)
    if test.proxies is not None:
        yield LEARNED, "nearest_ancestor", test
        yield VOTED, "lca", test


def score(
    title: str, test: EmbeddingSet, train: torch.Tensor, seed: int, draws: int, folder: Path, run: dict[str, float]
) -> tuple[list[Scored], list[Ordered]]:
    """Scores of every tree of one run, and what radii add to those of learned proxies; read where they are kept."""
    found, order = [], []
    for kind, method, embeddings in kinds(title, test, train, seed):
        place = folder / "trees" / kind
        hierarchy = run_hierarchy(Subject(title, embeddings), place, method=method, draws=draws, seed=seed)
        found.append(Scored(title, seed, kind, hierarchy.scores.rows(), hierarchy.scores.depth, run))
        if kind == LEARNED or (title, kind) in ((DEFAULT, FITTED), (DOUBLING, FITTED_FINE)):
            order.append(ordered(title, seed, kind.split()[0], embeddings, draws, place / "order.json"))
        print(f"  {title}, seed {seed}, {kind}", flush=True)
    return found, order


def untrained(config: TrainConfig, seed: int, like: EmbeddingSet) -> tuple[EmbeddingSet, torch.Tensor]:
    """Test embeddings and training points of the backbone under the head as it starts."""
    config = replace(config, seed=seed)
    splits = load_splits(config.data)
    views = Views(config, splits, feature_folder())
    model = create_model(config).to(views.device)
    return replace(like, points=views.embed(model, splits.test), proxies=None), views.embed(model, splits.train)


def run_figures(retrieval: Mapping[str, float], test: EmbeddingSet, clip_r: float) -> dict[str, float]:
    """Retrieval figures and radii of the test images; a tangent vector of norm clip_r has the radius 2 clip_r."""
    radius = dist0(test.points.double(), test.c)
    clipped = (radius >= 2 * clip_r * (1 - _ROUNDING)).double().mean()
    return {**retrieval, "radius": float(radius.median()), "clipped": float(clipped)}


def score_all(asked: argparse.Namespace, seeds: Sequence[int]) -> tuple[list[Scored], list[Ordered]]:
    """Train and score what is not there yet, arm by arm and seed by seed.

    Raises:
        HyperdmlError: a run cannot be made, or a seed was one of those of the choice.
    """
    shared = sorted(set(seeds) & set(SEEDS))
    if shared:
        raise ConfigError(f"--seeds {shared[0]} was used to choose hyperparameters: the comparison needs other seeds")
    scored: list[Scored] = []
    order: list[Ordered] = []
    arms = evidence_arms(asked.overrides)
    for seed in seeds:
        for number, (title, config) in enumerate(arms.items()):
            folder = trained(title, config, seed, asked.work, Lines())
            result = load_result(folder)
            if result is None:
                raise DataError(f"{folder} has no results")
            test = EmbeddingSet.load(folder)
            jobs = [(title, test, subject_of(folder, "train").embeddings.points, folder, result.rows[-1])]
            if number == 0:
                place = asked.work / f"untrained-{seed}"
                jobs.insert(0, (UNTRAINED, *untrained(config, seed, test), place, result.rows[0]))
            for name, embeddings, points, place, row in jobs:
                figures = run_figures(row.figures, embeddings, config.model.head.clip_r)
                trees, radii = score(name, embeddings, points, seed, asked.draws, place, figures)
                scored += trees
                order += radii
    return scored, order


def main() -> None:
    """Choose, or train, score, print and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of all arms as key=value")
    parser.add_argument("--choose", action="store_true", help="only make what is chosen on the validation classes")
    parser.add_argument("--seeds", default="5", help="how many, from 0; or a list, as 1,3")
    parser.add_argument("--draws", type=int, default=10, help="draws from every null model")
    parser.add_argument("--work", type=Path, default=Path("runs/hierarchy_evidence"), help="folder of the run folders")
    parser.add_argument("--publish", action="store_true", help="write docs/results/hierarchy_evidence.md and .json")
    asked = parser.parse_args()
    command = f"python benchmarks/hierarchy_evidence.py --seeds {asked.seeds} --draws {asked.draws}"
    command = " ".join([command, *asked.overrides])
    try:
        if asked.choose:
            choose_own(asked.work / "choose.jsonl", asked.overrides, Lines())
            try_levels(asked.work / "levels", asked.overrides, Lines())
            print(f"written to {OWN_CHOICES} and {TRIED}")
            return
        scored, order = score_all(asked, read_seeds(asked.seeds))
        tried = load_tried()
    except HyperdmlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    text = page(scored, order, tried)
    print(f"{command}\n\n{text}")
    if asked.publish:
        results = {
            "trees": [one.record() for one in scored],
            "order": [one.record() for one in order],
            "levels": tried_records(tried),
        }
        publish("hierarchy_evidence", "What hierarchy the embeddings hold", command, text, results)
        write_atomic(RESULTS / "hierarchy_evidence_nulls.md", nulls_page(scored, command).encode())


if __name__ == "__main__":
    main()
