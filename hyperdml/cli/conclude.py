"""Carry a run to its end: train what is missing, write the report, print the tables."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.errors import DataError, Interrupted
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.report import (
    class_comparison,
    class_explanation,
    class_rates,
    class_steps,
    class_table,
)
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.classify.run import execute_classification
from hyperdml.training.engine.processes import is_first
from hyperdml.training.records import read_record
from hyperdml.training.report.whole import REPORT, write_report
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.report import (
    best_explanation,
    comparison,
    explanation,
    next_steps,
    table,
    tree_explanation,
    tree_table,
)
from hyperdml.training.retrieval.result import RunResult, load_result
from hyperdml.training.retrieval.run import execute
from hyperdml.training.settings import Config
from hyperdml.training.tables import text_table


def conclude(config: Config, folder: Path, cache: Path | None = None) -> None:
    """Run all unfinished arms of a run folder and tell the user what came out.

    Args:
        config: the run.
        folder: its folder.
        cache: folder of features of frozen backbones, by default in the user's cache.
    """
    console = _console(quiet=not is_first())
    progress = RunProgress(console)
    result: RunResult | ClassifyResult | None
    try:
        with _terminable():
            if isinstance(config, TrainConfig):
                result = execute(config, folder, progress, cache)
            else:
                result = execute_classification(config, folder, progress, cache)
            if result is not None:
                _print_tables(console, config, result)
                # the report is the last file of a run: a finished run needs its data no more
                if not (folder / REPORT).is_file():
                    write_report(config, folder, result)
    except Interrupted as error:
        raise Interrupted(f"{error}; continue with: hyperdml resume {folder}", error.exit_code - 128) from None
    except KeyboardInterrupt as error:
        number = signal.SIGTERM if isinstance(error, _Terminated) else signal.SIGINT
        raise Interrupted(f"interrupted; continue with: hyperdml resume {folder}", number) from None
    finally:
        progress.close()
    if result is not None:
        _print_end(console, config, folder, result)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, where nothing waits for the end of a step."""


@contextmanager
def _terminable() -> Iterator[None]:
    """A context in which SIGTERM is an exception, as Ctrl-C is, outside the training steps too."""
    if threading.current_thread() is not threading.main_thread():  # it may not set handlers
        yield
        return

    def end(number: int, frame: object) -> None:
        raise _Terminated

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def results_of(config: Config, folder: Path) -> RunResult | ClassifyResult:
    """What a finished run found.

    Raises:
        DataError: the run is not finished, or its results are damaged.
    """
    found: RunResult | ClassifyResult | None
    if isinstance(config, TrainConfig):
        found = load_result(folder)
    else:
        found = read_record(folder / "results.json", ClassifyResult)
    if found is None:
        raise DataError(f"{folder} is not finished: results.json is missing; go on with: hyperdml resume {folder}")
    return found


def report_again(config: Config, folder: Path, result: RunResult | ClassifyResult) -> None:
    """Print the tables of a finished run, and write its report anew."""
    console = _console()
    _print_tables(console, config, result)
    write_report(config, folder, result)
    _print_end(console, config, folder, result)


def _console(quiet: bool = False) -> Console:
    return Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet)


def _print_tables(console: Console, config: Config, result: RunResult | ClassifyResult) -> None:
    """The tables, what they mean, and the radius report; they come before the report, which takes seconds."""
    if isinstance(config, TrainConfig) and isinstance(result, RunResult):
        print(f"\n{text_table(*table(result))}")
        console.print()
        for text in filter(None, (explanation(config), best_explanation(config, result), comparison(result.rows))):
            console.print(text)
        console.print()
        if result.trees:
            print(text_table(*tree_table(result.trees)))
            for text in ("", tree_explanation(), ""):
                console.print(text)
        for text in result.radius.lines():
            console.print(f"  {text}")
    elif isinstance(config, ClassifyConfig) and isinstance(result, ClassifyResult):
        print(f"\n{text_table(*class_table(result.rows, result.part))}")
        console.print()
        for text in filter(None, (class_explanation(), class_comparison(result.rows), class_rates(config))):
            console.print(text)


def _print_end(console: Console, config: Config, folder: Path, result: RunResult | ClassifyResult) -> None:
    """What is in the run folder, and where to go from there."""
    if isinstance(config, TrainConfig) and isinstance(result, RunResult):
        models = "model/" if result.main_best is None else "model/, best_model/"
        console.print(f"\nwritten to {folder}: {REPORT}, disk.png, {models}, embeddings.safetensors, metrics.jsonl")
        _print_steps(console, next_steps(folder, config))
    elif isinstance(config, ClassifyConfig):
        console.print(f"\nwritten to {folder}: {REPORT} (all figures), model/ (with its taxonomy), metrics.jsonl")
        _print_steps(console, class_steps(folder, config))


def _print_steps(console: Console, steps: list[tuple[str, str]]) -> None:
    """Commands worth trying next, in columns."""
    console.print("try next:")
    width = max(len(command) for command, _ in steps)
    for command, why in steps:
        console.print(f"  {command:<{width}}  {why}")
