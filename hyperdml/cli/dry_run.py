"""`hyperdml train --dry-run` in words."""

from __future__ import annotations

from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.training.dry_run import DryRun, dry_run
from hyperdml.training.engine.trial import GroupLine
from hyperdml.training.settings import Config
from hyperdml.training.tables import text_table


def show_dry_run(config: Config) -> None:
    """Make a dry run and print what it found."""
    progress = RunProgress(Console(stderr=True, soft_wrap=True))
    try:
        found = dry_run(config, progress)
    finally:
        progress.close()
    for line in dry_run_lines(found):
        print(line)


def dry_run_lines(found: DryRun) -> list[str]:
    """What a run will do and need, line by line."""
    trial = found.trial
    step = trial.step_seconds + trial.batch_seconds
    loss = ", ".join(f"{name} {value:.4g}" for name, value in trial.figures.items())
    header = ["group", "learning rate", "weight decay", "tensors", "parameters"]
    features = f", {_duration(found.feature_seconds)} of it for features" if found.feature_seconds else ""
    return [
        f"data: {found.data}",
        f"trained: {', '.join(found.arms)}",
        f"{found.steps} steps of {found.images} images each, {found.per_epoch} an epoch"
        + (f"; warm-up of {found.warmup} steps" if found.warmup else ""),
        "",
        text_table(header, [_cells(group) for group in trial.groups]),
        "",
        f"frozen: {_frozen(trial.frozen)}",
        f"one batch: {loss}",
        f"memory: {trial.memory / 2**30:.2f} GiB at most",
        f"time: {step:.3f} s a step ({trial.batch_seconds:.3f} s of it for the images), {found.images / step:.0f} "
        f"images/s; about {_duration(found.seconds)} for all{features}, evaluation not counted",
        "nothing was written",
    ]


def _cells(group: GroupLine) -> list[str]:
    return [group.name, f"{group.lr:g}", f"{group.weight_decay:g}", f"{group.tensors:,}", f"{group.parameters:,}"]


def _frozen(places: dict[str, int]) -> str:
    if not places:
        return "nothing"
    names = list(places)
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{sum(places.values()):,} parameters of {', '.join(names[:4])}{more}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
