"""A finished run in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperdml.training.config import TrainConfig
from hyperdml.training.result import Row, RunResult


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the result table, figures in per cent.

    Args:
        rows: rows with equal figure names.

    Returns:
        Column titles, and one list of cells per row.
    """
    names = list(rows[0].figures)
    cells = [[row.title, *(f"{100 * row.figures[name]:.1f}" for name in names)] for row in rows]
    return ["unseen classes, %", *names], cells


def markdown_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *cells])


def text_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The same in columns for a terminal, the first one to the left, the others to the right."""
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(len(header))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in [header, *cells]
    ]
    return "\n".join(lines)


def explanation(config: TrainConfig) -> str:
    """What the first row of the table is."""
    weights = "without pretrained weights" if config.model.weights == "none" else "with its pretrained weights"
    return (
        f"The untrained row is the backbone {weights} under the head as it starts, a random projection into the ball."
    )


def comparison(rows: Sequence[Row]) -> str:
    """One sentence on what HIER changed against the control row, or an empty text without one."""
    if len(rows) < 3:
        return ""
    control, hier = rows[-2], rows[-1]
    names = (next(iter(control.figures)), "MAP@R")
    change = {name: 100 * (hier.figures[name] - control.figures[name]) for name in names}
    return (
        f"{hier.title} against {control.title}, same seed and steps: "
        + ", ".join(f"{name} {value:+.1f} points" for name, value in change.items())
        + ". That is one seed; benchmarks/quickstart_table.py repeats it over several."
    )


def next_steps(folder: Path, config: TrainConfig) -> list[tuple[str, str]]:
    """Commands worth trying next, each with what it shows."""
    steps = [
        ("hyperdml train quickstart seed=1", "the spread between seeds"),
        ("hyperdml train quickstart hier.mode=paper hier.weight=1", "HIER as the paper describes it"),
        ("hyperdml train quickstart model.head.kind=scaled", "a head whose images keep their own radii"),
        ("hyperdml train quickstart data.name=folder data.root=PHOTOS", "your images, as PHOTOS/CLASS/IMAGE"),
        (f"hyperdml eval {folder} --metric cosine", "the same embeddings ranked by cosine"),
    ]
    return steps if config.data.name == "emoji" else steps[-1:]


def report_markdown(folder: Path, config: TrainConfig, result: RunResult, picture_note: str) -> str:
    """Compose `report.md`.

    Args:
        folder: run folder, named in the text.
        config: the run.
        result: its figures.
        picture_note: caption of disk.png.

    Returns:
        Markdown.
    """
    head = config.model.head
    seconds = ", ".join(f"{row.title} {row.seconds:.0f} s" for row in result.rows[1:])
    parts = [
        f"# {folder.resolve().name}, seed {config.seed}",
        f"{result.images} test images of {result.classes} classes unseen in training; hyperbolic distance in the ball "
        f"of curvature -{head.c:g}, clipping radius {head.clip_r:g}; {config.model.backbone}, "
        f"{config.optim.steps} steps of {config.batch.size} images. Training time: {seconds}.",
        markdown_table(*table(result.rows)),
        explanation(config),
        comparison(result.rows),
        "## Radii",
        "\n".join(f"- {line}" for line in result.radius.lines()),
        "## Picture",
        f"![Poincaré disk](disk.png)\n\n{picture_note}",
        "## Next",
        "\n".join(f"- `{command}`: {why}" for command, why in next_steps(folder, config)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
