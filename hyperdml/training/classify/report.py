"""A finished classification run in words and tables, for the terminal and for its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import learning_rate
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.figures import scale
from hyperdml.training.records import Row

_TABLE = {
    "top1": "top-1",
    "top5": "top-5",
    "hF1": "hF1",
    "mistake_severity": "severity",
    "hierarchical_distance@1": "distance@1",
    "hierarchical_distance@5": "distance@5",
}


def class_table(rows: Sequence[Row], part: str) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the result table: shares in per cent, distances as they are.

    Args:
        rows: rows with equal figure names.
        part: the evaluated part.

    Returns:
        Column titles, and one list of cells per row.
    """
    titles = _columns(rows[0])
    return [f"{part}, %", *titles.values()], [[row.title, *(cell(row, name) for name in titles)] for row in rows]


def full_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """All figures, one a line."""
    names = list(rows[0].figures)
    return ["figure", *(row.title for row in rows)], [[name, *(cell(row, name) for row in rows)] for name in names]


def cell(row: Row, name: str) -> str:
    """A figure as tables show it."""
    return f"{scale(name) * row.figures[name]:.{_digits(name)}f}"


def class_explanation() -> str:
    """What the columns of `class_table` are."""
    return (
        "Accuracy at upper levels is that of the likeliest node of the level. hF1 compares predicted and true classes "
        "by their ancestors. Severity is the mean LCA height of the wrong answers alone, distance@k that of the k "
        "likeliest classes, right ones included: the lower, the better."
    )


def class_comparison(rows: Sequence[Row]) -> str:
    """What the main arm changed against each control; empty without controls."""
    *controls, main = rows
    names = [name for name in ("top1", "hF1", "mistake_severity", "hierarchical_distance@1") if name in main.figures]
    parts = []
    for control in controls:
        changes = {name: scale(name) * (main.figures[name] - control.figures[name]) for name in names}
        change = [f"{_TABLE[name]} {value:+.{_digits(name)}f}" for name, value in changes.items()]
        parts.append(f"against {control.title} {', '.join(change)}")
    if not parts:
        return ""
    return (
        f"{main.title}, same seed, start and steps: {'; '.join(parts)}. "
        "That is one seed; hyperdml compare repeats it over several."
    )


def class_rates(config: ClassifyConfig) -> str:
    """The learning rate of every arm, where the arms have different ones; empty where they share one."""
    if config.optim.lr_pairing == "none":
        return ""
    rates = (f"{arm.title} {learning_rate(arm.config):g}" for arm in class_arms(config, Path()))
    return f"Learning rates, paired by optim.lr_pairing={config.optim.lr_pairing}: {', '.join(rates)}."


def class_steps(folder: Path, config: ClassifyConfig) -> list[tuple[str, str]]:
    """Commands worth trying next, each with what it shows."""
    again = f"hyperdml {'probe' if config.optim.freeze_backbone else 'train'} {folder / 'config.yaml'}"
    steps = [(f"{again} seed={config.seed + 1}", "another seed")]
    if config.data.evaluate_on == "test":
        steps.append((f"{again} data.evaluate_on=validation", "for tuning, without test images"))
    if config.loss.name == "hace" and (config.loss.dilution or 0.0) < 0.7:
        steps.append((f"{again} loss.dilution=0.7", "more weight on ancestors"))
    return steps


def class_setting(config: ClassifyConfig, result: ClassifyResult) -> str:
    """What was trained, and on what."""
    optim, data = config.optim, config.data
    seconds = ", ".join(f"{row.title} {row.seconds:.0f} s" for row in result.rows)
    kind = "a linear layer on features of the frozen" if optim.freeze_backbone else "trained end to end:"
    held_out = f" (held out: {config.data.held_out or 'the first drawing family'})" if data.name == "emoji" else ""
    return (
        f"{result.images} {result.part} images of {data.name}{held_out}, {result.leaves} classes in a taxonomy of "
        f"{result.nodes} nodes; {kind} {config.model.backbone}, {optim.epochs} epochs of batches of "
        f"{optim.batch_size}. Training time: {seconds}."
    )


def _columns(row: Row) -> dict[str, str]:
    """Figures of the table and their titles: the levels above the class come behind top-5."""
    levels = [name for name in row.figures if name.startswith("accuracy/")][:-1]  # the last is top-1
    names = [name for name in ["top1", "top5", *levels, *list(_TABLE)[2:]] if name in row.figures]
    return {name: _TABLE.get(name, name.removeprefix("accuracy/")) for name in names}


def _digits(name: str) -> int:
    """Digits behind the point: shares are in per cent, distances are small numbers."""
    return 1 if scale(name) == 100 else 3
