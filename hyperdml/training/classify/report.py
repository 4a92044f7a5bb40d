"""A finished classification run in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.compare.figures import scale
from hyperdml.training.report import markdown_table
from hyperdml.training.result import Row

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


def class_steps(folder: Path, config: ClassifyConfig) -> list[tuple[str, str]]:
    """Commands worth trying next, each with what it shows."""
    command = "probe" if config.optim.freeze_backbone else "train"
    steps = [
        (f"hyperdml {command} {folder / 'config.yaml'} seed={config.seed + 1}", "another seed"),
        (f"hyperdml {command} {folder / 'config.yaml'} data.evaluate_on=validation", "for tuning, without test images"),
    ]
    if config.loss.name == "hace":
        steps.append((f"hyperdml {command} {folder / 'config.yaml'} loss.dilution=0.7", "more weight on ancestors"))
    return steps


def class_report(folder: Path, config: ClassifyConfig, result: ClassifyResult) -> str:
    """Compose `report.md`.

    Args:
        folder: run folder, named in the text.
        config: the run.
        result: its figures.

    Returns:
        Markdown.
    """
    optim, held_out = config.optim, config.data.held_out
    seconds = ", ".join(f"{row.title} {row.seconds:.0f} s" for row in result.rows)
    kind = "a linear layer on features of the frozen" if optim.freeze_backbone else "trained end to end:"
    data = f"{config.data.name}{f' without {held_out}' if held_out else ''}"
    parts = [
        f"# {folder.resolve().name}, seed {config.seed}",
        f"{result.images} {result.part} images of {data}, {result.leaves} classes in a taxonomy of {result.nodes} "
        f"nodes; {kind} {config.model.backbone}, {optim.epochs} epochs of batches of {optim.batch_size}. "
        f"Training time: {seconds}.",
        markdown_table(*class_table(result.rows, result.part)),
        class_explanation(),
        class_comparison(result.rows),
        "## All figures",
        markdown_table(*full_table(result.rows)),
        "## Next",
        "\n".join(f"- `{command}`: {why}" for command, why in class_steps(folder, config)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _columns(row: Row) -> dict[str, str]:
    """Figures of the table and their titles: the levels above the class come behind top-5."""
    levels = [name for name in row.figures if name.startswith("accuracy/")][:-1]  # the last is top-1
    names = [name for name in ["top1", "top5", *levels, *list(_TABLE)[2:]] if name in row.figures]
    return {name: _TABLE.get(name, name.removeprefix("accuracy/")) for name in names}


def _digits(name: str) -> int:
    """Digits behind the point: shares are in per cent, distances are small numbers."""
    return 1 if scale(name) == 100 else 3
