"""One arm from its start, or its last checkpoint, to its model, embeddings and scores."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet, ImageData
from hyperdml.data.embedding_set import EMBEDDINGS
from hyperdml.hier import fit_proxies
from hyperdml.hier.fit import LEVELS
from hyperdml.metrics import RadiusReport, radius_report
from hyperdml.metrics.labels import Labels
from hyperdml.models import EmbeddingModel, model_hash
from hyperdml.seeds import derive_seed
from hyperdml.training.folder import append, forget_later_steps
from hyperdml.training.progress import Progress
from hyperdml.training.records import Row
from hyperdml.training.retrieval.arms import Arm
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.evaluate import score
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.result import FITTED, LEARNED, ArmResult, TreeRow, save_arm
from hyperdml.training.retrieval.train import train
from hyperdml.training.retrieval.views import Views
from hyperdml.tree import proxy_tree_report


def run_arm(arm: Arm, log: Path, views: Views, progress: Progress) -> ArmResult:
    """Train an arm and write its model, its embeddings and, last, `arm.json`.

    Args:
        arm: what to train, and where.
        log: file for one line per step and evaluation.
        views: the data.
        progress: told about everything.

    Returns:
        Its row of the table and its trees.
    """
    config, folder = arm.config, arm.folder
    folder.mkdir(parents=True, exist_ok=True)
    validation, test = views.splits.validation, views.splits.test

    def start(done: int) -> None:
        forget_later_steps(log, arm.title, done)
        progress.start(arm.title, config.optim.steps)
        progress.advance(done, {})

    def monitor(done: int, figures: dict[str, float]) -> None:
        progress.advance(1, figures)
        append(log, {"arm": arm.title, "step": done, **figures})

    def validate(done: int, learner: Learner) -> None:
        points = views.embed(learner.model, validation)
        record = {
            "validation": score_part(config, points, validation),
            "radii": asdict(radii(config, points, _proxies(learner), validation.labels)),
        }
        append(log, {"arm": arm.title, "step": done, **record})

    trained = train(config, views.splits.train, folder / "checkpoints", views.bank, start, monitor, validate)
    progress.end()
    learner = trained.learner
    points = views.embed(learner.model, test)
    proxies = _proxies(learner)
    learner.model.save_pretrained(folder / "model")
    EmbeddingSet(
        points,
        config.model.head.c,
        labels=torch.from_numpy(test.labels),
        levels=torch.from_numpy(test.levels),
        level_names=test.level_names,
        class_names=test.class_names,
        proxies=proxies,
        ks=config.evaluation.ks,
        model=model_hash(folder / "model"),
        model_folder=str((folder / "model").resolve()),
        image_size=config.data.image_size,
    ).save(folder / EMBEDDINGS)
    row = Row(arm.title, score_part(config, points, test), trained.seconds)
    result = ArmResult(row, _trees(arm, learner.model, points, proxies, views))
    save_arm(folder, result)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # the model is written: nothing is left to resume
    return result


def score_part(config: TrainConfig, points: Tensor, data: ImageData) -> dict[str, float]:
    """Retrieval figures of one part of the data, in hyperbolic distance."""
    return score(points, data.labels, data.levels, data.level_names, config.evaluation.ks, config.model.head.c)


def radii(config: TrainConfig, points: Tensor, proxies: Tensor | None, labels: Labels) -> RadiusReport:
    """Radius report under the run's curvature, clipping radius and seed."""
    head = config.model.head
    generator = _generator(config, "radius report")
    return radius_report(points, proxies, c=head.c, clip_r=head.clip_r, labels=labels, generator=generator)


def _trees(
    arm: Arm, model: EmbeddingModel, points: Tensor, proxies: Tensor | None, views: Views
) -> tuple[TreeRow, ...]:
    """Scores of the tree of the learned proxies, if there are any, and of k-means on the training embeddings."""
    config, test = arm.config, views.splits.test
    candidates = {} if proxies is None else {LEARNED: proxies}
    c, train_points = config.model.head.c, views.embed(model, views.splits.train)
    levels = [size for size in config.hier.levels or LEVELS if size <= len(train_points)]
    if levels:
        candidates[FITTED] = fit_proxies(train_points, levels, c=c, seed=derive_seed(config.seed, "fitted proxies"))
    return tuple(
        TreeRow(
            arm.title,
            source,
            proxy_tree_report(
                points,
                candidate,
                test.levels,
                test.level_names,
                c=c,
                draws=config.evaluation.draws,
                generator=_generator(config, "tree nulls"),
            ),
        )
        for source, candidate in candidates.items()
    )


def _proxies(learner: Learner) -> Tensor | None:
    """(P, d) proxies on the ball, on the CPU; None without any, before they start, or where they live elsewhere."""
    hier = learner.hier
    if hier is None or hier.geometry != "hyperbolic" or (hier.start is not None and not hier.start.done):
        return None
    return hier.proxies_on_ball().detach().cpu()


def _generator(config: TrainConfig, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(config.seed, purpose))
