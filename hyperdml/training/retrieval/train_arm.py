"""One arm from its start, or its last checkpoint, to its model, embeddings and scores."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.data.embedding_set import EMBEDDINGS
from hyperdml.models import model_hash
from hyperdml.models.model_card import model_card
from hyperdml.training.engine.loggers import Loggers, create_loggers
from hyperdml.training.engine.processes import is_first
from hyperdml.training.folder import append, forget_later_steps
from hyperdml.training.progress import Progress, Rate
from hyperdml.training.records import Row
from hyperdml.training.retrieval.arms import Arm
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.result import ArmResult, save_arm
from hyperdml.training.retrieval.schedule import schedule_of
from hyperdml.training.retrieval.scoring import radii, score_part, tree_rows
from hyperdml.training.retrieval.task import create_batches
from hyperdml.training.retrieval.train import Trained, train
from hyperdml.training.retrieval.views import Views
from hyperdml.training.settings import config_to_dict


def run_arm(arm: Arm, log: Path, views: Views, progress: Progress) -> ArmResult | None:
    """Train an arm and write its model, its embeddings and, last, `arm.json`.

    Args:
        arm: what to train, and where.
        log: file for one line per step and evaluation.
        views: the data.
        progress: told about everything.

    Returns:
        Its rows of the table and its trees; None in all but the first of several processes, which only train.
    """
    if not is_first():
        train(arm.config, views.splits.train, arm.folder, lambda: views.bank)
        return None
    arm.folder.mkdir(parents=True, exist_ok=True)
    return _Sitting(arm, log, views, progress).finish()


class _Sitting:
    """What the first process does around the training of an arm."""

    def __init__(self, arm: Arm, log: Path, views: Views, progress: Progress) -> None:
        self.arm, self.log, self.views, self.progress = arm, log, views, progress
        self.config, self.folder = arm.config, arm.folder
        on = self.config.evaluation.on
        self.on, self.watched = on, views.splits.test if on == "test" else views.splits.validation
        self.loggers = Loggers({})
        self.rate = Rate(self.config.batch.size)

    def finish(self) -> ArmResult:
        try:
            trained = train(
                self.config,
                self.views.splits.train,
                self.folder,
                lambda: self.views.bank,
                self.start,
                self.monitor,
                None if self.watched is None else self.look,
                self.snapshot,
            )
        finally:
            self.loggers.close()
        self.progress.end()
        result = self.result(trained)
        save_arm(self.folder, result)
        for name in ("checkpoints", "best"):  # the models are written: nothing is left to resume
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return result

    def start(self, done: int) -> None:
        forget_later_steps(self.log, self.arm.title, done)
        self.loggers = create_loggers(self.config.logging, self.folder, config_to_dict(self.config), done)
        batches = create_batches(self.config, self.views.splits.train)
        self.progress.start(self.arm.title, schedule_of(self.config, len(batches)).steps)
        self.progress.advance(done, {})

    def monitor(self, done: int, figures: dict[str, float]) -> None:
        self.progress.advance(1, {**figures, "images/s": self.rate.after_step()})
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        append(self.log, {"arm": self.arm.title, "step": done, **finite})
        self.loggers.log(done, figures)

    def look(self, done: int, learner: Learner) -> dict[str, float]:
        part = self.watched
        if part is None:
            raise ValueError("there is no part to validate on")
        points = self.views.embed(learner.model, part)
        figures = score_part(self.config, points, part)
        report = radii(self.config, points, learner.proxies_on_ball(), part.labels)
        append(self.log, {"arm": self.arm.title, "step": done, self.on: figures, "radii": asdict(report)})
        self.loggers.log(done, {f"{self.on}/{name}": value for name, value in figures.items()})
        shown = ", ".join(f"{name} {100 * figures[name]:.1f}" for name in [*list(figures)[:1], "MAP@R"])
        self.progress.message(f"{self.arm.title}, step {done}, {self.on} classes: {shown} %; {report.lines()[0]}")
        self.rate.pause()
        return figures

    def snapshot(self, epoch: int, learner: Learner) -> None:
        folder = self.folder / "snapshots" / f"epoch-{epoch}"
        folder.mkdir(parents=True, exist_ok=True)
        self.save_embeddings(folder, self.views.embed(learner.model, self.views.splits.test), learner)
        self.rate.pause()

    def save_embeddings(self, folder: Path, points: Tensor, learner: Learner, model: Path | None = None) -> None:
        test, config = self.views.splits.test, self.config
        EmbeddingSet(
            points,
            config.model.head.c,
            labels=torch.from_numpy(test.labels),
            levels=torch.from_numpy(test.levels),
            level_names=test.level_names,
            class_names=test.class_names,
            proxies=learner.proxies_on_ball(),
            ks=config.evaluation.ks,
            model=None if model is None else model_hash(model),
            model_folder=None if model is None else str(model.resolve()),
            image_size=config.data.image_size,
            queries=None if test.queries is None else torch.from_numpy(test.queries),
            gallery=None if test.gallery is None else torch.from_numpy(test.gallery),
        ).save(folder / EMBEDDINGS)

    def result(self, trained: Trained) -> ArmResult:
        """Score and save the last epoch, then the best one where it is another."""
        learner, best, test, title = trained.learner, trained.best, self.views.splits.test, self.arm.title
        points = self.views.embed(learner.model, test)
        row = Row(title, score_part(self.config, points, test), trained.seconds)
        self.save_model(learner, "model", row)
        self.save_embeddings(self.folder, points, learner, self.folder / "model")
        train_points = self.views.embed(learner.model, self.views.splits.train)
        trees = tree_rows(title, self.config, points, test, learner.proxies_on_ball(), train_points)
        best_row = None
        if best.step is not None and best.step != trained.steps:
            learner.model.load_state_dict(best.weights())
            when = f"epoch {best.epoch}" if self.config.evaluation.every_epochs else f"step {best.step}"
            found = score_part(self.config, self.views.embed(learner.model, test), test)
            best_row = Row(f"{title} (best {when} on {self.on})", found, trained.seconds)
            self.save_model(learner, "best_model", best_row)
        return ArmResult(row, trees, best_row)

    def save_model(self, learner: Learner, name: str, row: Row) -> None:
        data = self.config.data
        learner.model.crop = self.config.crop
        card = model_card(
            learner.model,
            title=row.title,
            data=f"{data.name}, classes unseen in training",
            metrics=row.figures,
            config=config_to_dict(self.config),
        )
        learner.model.save_pretrained(self.folder / name, card)
