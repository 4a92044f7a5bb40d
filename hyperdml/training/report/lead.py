"""The first paragraphs of a report: what was trained, what the controls say. Every claim is read off an interval."""

from __future__ import annotations

from collections.abc import Sequence

from hyperdml.metrics import Interval
from hyperdml.training.figures import HEADLINES
from hyperdml.training.report.intervals import FEW, Compared, holds_zero
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.result import RunResult

NO_DIFFERENCE = "no difference that one seed can show"


def setting(config: TrainConfig, result: RunResult) -> str:
    """What was trained, and on what."""
    head, optim, seconds = config.model.head, config.optim, result.rows[-1].seconds
    weights = {"none": "without pretrained weights"}.get(config.model.weights, "with pretrained weights")
    frozen = ", frozen," if optim.freeze_backbone else ""
    most = "up to " if config.evaluation.patience is not None else ""  # patience may have ended an arm before
    steps = "" if result.steps is None else f" for {most}{result.steps:,} steps of {config.batch.size} images"
    return (
        f"{result.rows[-1].title}: {config.model.backbone} {weights}{frozen} and a head into the ball of "
        f"{head.embedding_size} dimensions and curvature -{head.c:g} (clipping radius {head.clip_r:g}), trained on "
        f"{config.data.name}{steps} in {seconds:.0f} s, seed {config.seed}. All figures are those of "
        f"{result.images:,} test images of {result.classes:,} classes unseen in training, ranked by hyperbolic "
        "distance."
    )


def main_figures(compared: Sequence[Compared]) -> str:
    """The headlines of the main arm with their intervals; empty without."""
    parts = [f"{found.name} {percent(found.main)}" for found in _headlines(compared)]
    return f"{', '.join(parts)} (95 % intervals over classes)." if parts else ""


def against_controls(title: str, compared: Sequence[Compared], classes: int) -> list[str]:
    """One paragraph a control: in which headlines the main arm differs, and in which that cannot be told."""
    shown = _headlines(compared)
    controls = list(dict.fromkeys(control for found in shown for control in found.differences))
    if not controls:
        return []
    texts = [f"{title} against {control}, {_verdicts(control, shown)}" for control in controls]
    few = "" if classes >= FEW else f" With {classes} classes, fewer than {FEW}, they are too narrow."
    return [
        *texts,
        "Differences are in points, on the same queries, with 95 % intervals over classes: they say how far the result "
        f"depends on which classes are tested, not on the seed.{few} hyperdml compare repeats the run over seeds.",
    ]


def _verdicts(control: str, shown: Sequence[Compared]) -> str:
    """The figures that differ, each with its direction, and after them those of which it cannot be told."""
    said, open_ = [], []
    for found in shown:
        if control not in found.differences:
            continue
        change = found.differences[control]
        if holds_zero(change):
            open_.append(f"{found.name} {points(change)}")
        else:
            said.append(f"{found.name} {points(change)}, {'higher' if change.mean > 0 else 'lower'}")
    parts = ["; ".join(said)] if said else []
    if open_:
        parts.append(f"{', '.join(open_)}: {NO_DIFFERENCE}")
    return f"same seed and batches: {'; '.join(parts)}."


def percent(interval: Interval) -> str:
    """A share with its interval, in per cent."""
    return f"{100 * interval.mean:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def points(interval: Interval) -> str:
    """A difference of shares with its interval, in points."""
    return f"{100 * interval.mean:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def _headlines(compared: Sequence[Compared]) -> list[Compared]:
    return [found for found in compared if found.name in HEADLINES]
