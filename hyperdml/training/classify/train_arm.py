"""One arm from its start, or its last checkpoint, to its model and scores."""

from __future__ import annotations

import shutil
from pathlib import Path

from hyperdml.training.classify.arms import ClassArm
from hyperdml.training.classify.evaluate import score
from hyperdml.training.classify.parts import Parts
from hyperdml.training.classify.train import start_classifier, train_classifier
from hyperdml.training.folder import append, forget_later_steps
from hyperdml.training.progress import Progress
from hyperdml.training.records import Row, write_record

FINISHED = "arm.json"


def run_class_arm(arm: ClassArm, log: Path, parts: Parts, progress: Progress) -> Row:
    """Train an arm and write its model with the taxonomy, and last `arm.json`, which marks it as finished.

    Args:
        arm: what to train, and where.
        log: file for one line per step and evaluation.
        parts: the data.
        progress: told about everything.

    Returns:
        Its row of the table.
    """
    config, folder = arm.config, arm.folder
    folder.mkdir(parents=True, exist_ok=True)
    model = start_classifier(config, parts.splits.taxonomy).to(parts.device)
    steps = config.optim.epochs * len(parts.feed(model))

    def start(done: int) -> None:
        forget_later_steps(log, arm.title, done)
        progress.start(arm.title, steps)
        progress.advance(done, {})

    def monitor(done: int, figures: dict[str, float]) -> None:
        progress.advance(1, figures)
        append(log, {"arm": arm.title, "step": done, **figures})

    def validate(done: int) -> bool:
        append(log, {"arm": arm.title, "step": done, config.data.evaluate_on: score(model, parts)})
        return False

    seconds = train_classifier(config, parts, model, folder / "checkpoints", start, monitor, validate)
    progress.end()
    row = Row(arm.title, score(model, parts), seconds)
    model.save_pretrained(folder / "model")
    write_record(folder / FINISHED, row)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # the model is written: nothing is left to resume
    return row
