"""Carry a run to its end: train what is missing, draw the picture, write the report, print the table."""

from __future__ import annotations

import signal
from pathlib import Path

from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.errors import Interrupted
from hyperdml.files import write_atomic
from hyperdml.training.config import TrainConfig
from hyperdml.training.report import (
    comparison,
    explanation,
    next_steps,
    report_markdown,
    table,
    text_table,
    tree_explanation,
    tree_table,
)
from hyperdml.training.result import RunResult
from hyperdml.training.run import execute


def conclude(config: TrainConfig, folder: Path) -> None:
    """Run all unfinished arms of a run folder and tell the user what came out.

    Args:
        config: the run.
        folder: its folder.
    """
    console = Console(soft_wrap=True, markup=False, highlight=False)
    progress = RunProgress(console)
    try:
        result = execute(config, folder, progress)
        if not (folder / "report.md").is_file():  # the last file of a run: a finished run needs its data no more
            note = draw_picture(config, folder)
            write_atomic(folder / "report.md", report_markdown(folder, config, result, note).encode())
    except Interrupted as error:
        raise Interrupted(f"{error}; continue with: hyperdml resume {folder}", error.exit_code - 128) from None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; continue with: hyperdml resume {folder}", signal.SIGINT) from None
    finally:
        progress.close()
    print_result(console, config, folder, result)


def draw_picture(config: TrainConfig, folder: Path) -> str:
    """Draw disk.png of the main arm, and return its caption."""
    from hyperdml.viz import draw_disk

    stored = EmbeddingSet.load(folder)
    test = load_splits(config.data).test
    shown = "Test images" if stored.proxies is None else "Test images and hierarchical proxies"
    picture = draw_disk(
        folder / "disk.png",
        stored.points,
        stored.proxies,
        stored.c,
        test.levels[:, 0],
        test.coarse_names,
        title=f"{shown} in the Poincaré disk (c = {stored.c:g})",
        thumbnails=test.images,
    )
    caption = (
        "Distance from the centre is the learned distance from the origin (grey circles at 2, 4 and 6 over sqrt(c)); "
        "the angle is a layout."
    )
    if picture.root_share is None:
        return caption
    return (
        f"{caption} Lines lead to the parent in the learned space: the nearest proxy closer to the origin, or the "
        f"origin. The origin is the parent of {picture.root_share:.0%} of the images shown and of "
        f"{picture.proxy_root_share:.0%} of the proxies."
    )


def print_result(console: Console, config: TrainConfig, folder: Path, result: RunResult) -> None:
    """The tables, the radius report and where to go from there."""
    print(f"\n{text_table(*table(result.rows))}")
    for text in ("", explanation(config), comparison(result.rows), ""):
        console.print(text)
    if result.trees:
        print(text_table(*tree_table(result.trees)))
        for text in ("", tree_explanation(), ""):
            console.print(text)
    for text in result.radius.lines():
        console.print(f"  {text}")
    console.print(f"\nwritten to {folder}: report.md, disk.png, model/, embeddings.safetensors, metrics.jsonl")
    console.print("try next:")
    steps = next_steps(folder, config)
    width = max(len(command) for command, _ in steps)
    for command, why in steps:
        console.print(f"  {command:<{width}}  {why}")
