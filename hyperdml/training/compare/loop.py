"""The loop over the runs of a comparison: what the ledger lacks is made, and written down at once."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hyperdml.errors import ConfigError, DivergedError, HyperdmlError, Interrupted
from hyperdml.training.compare.arms import Arm, Job, plan, units_of
from hyperdml.training.compare.comparison import Comparison
from hyperdml.training.compare.ledger import Record, open_ledger
from hyperdml.training.environment import environment
from hyperdml.training.figures import choose, scale, shown_as
from hyperdml.training.progress import Progress
from hyperdml.training.settings import Config, config_to_dict

Run = Callable[[Config], Mapping[str, float]]
"""Trains one configuration and returns its figures; `DivergedError` if it has none."""


def compare(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    ledger: Path,
    run: Run,
    progress: Progress,
    *,
    pair: Mapping[str, Sequence[Any]] | None = None,
    baseline: str | None = None,
) -> Comparison:
    """Run every arm with every seed, and every value of further settings, except what the ledger already holds.

    Args:
        arms: what is compared.
        seeds: the seeds; `seed` of each configuration is set to them.
        ledger: JSONL file, one line a finished run; made if it is missing, gone on with if it is not.
        run: how a configuration is trained, for example a `Trainer`.
        progress: told which run begins.
        pair: values of further dotted keys; every arm is run under their product.
        baseline: name of the arm that the others are compared with; by default the first.

    Returns:
        All runs. One that diverged is in the ledger as such, and is not made again.

    Raises:
        ConfigError: settings are not valid; the ledger has runs of an arm under other settings, or is in use.
        DataError: the ledger is damaged.
        Interrupted: Ctrl-C or SIGTERM; finished runs are in the ledger.
        HyperdmlError: a run cannot be made; the message names it.
    """
    names = [arm.name for arm in arms]
    jobs = plan(arms, seeds, pair)
    baseline = names[0] if baseline is None else baseline
    if baseline not in names:
        raise ConfigError(f"no arm is called {baseline!r}; the arms are: {', '.join(map(repr, names))}")
    with open_ledger(ledger) as (book, torn):
        if torn:
            progress.message(f"the last line of {ledger} was cut off and is removed; its run is made again")
        book.refuse_changes(arms, list(pair or {}))
        missing = [job for job in jobs if book.find(job) is None]
        if len(missing) < len(jobs):
            progress.message(f"{len(jobs) - len(missing)} of {len(jobs)} runs are in {ledger}")
        for number, job in enumerate(missing, len(jobs) - len(missing) + 1):
            progress.message(f"run {number} of {len(jobs)}: {job.title}")
            kept = f"{number - 1} of {len(jobs)} runs are in {ledger}, and the same command goes on from there"
            try:
                record = _record(job, run)
                book.append(record)
                progress.message(_outcome(record))
            except Interrupted as error:
                raise Interrupted(f"interrupted in {job.title}; {kept}", error.exit_code - 128) from None
            except KeyboardInterrupt:
                raise Interrupted(f"interrupted in {job.title}; {kept}", signal.SIGINT) from None
            except HyperdmlError as error:
                error.args = (f"{job.title}: {error}; {kept}",)  # some kinds cannot be made from a message alone
                raise
        records = tuple(found for job in jobs if (found := book.find(job)) is not None)
    return Comparison(tuple(names), baseline, tuple(seeds), tuple(units_of(pair)), records)


def _outcome(record: Record) -> str:
    """How a run ended, in one line."""
    if record.diverged is not None:
        return f"DIVERGED: {record.diverged}"
    shown = {name: record.figures[name] for name in choose((), list(record.figures))}
    figures = [
        f"{name} {shown_as(name, value)}{' %' if scale(name) == 100 else ''}"
        for name, value in shown.items()
        if value is not None
    ]
    return f"{', '.join(figures)} after {record.seconds:.0f} s"


def _record(job: Job, run: Run) -> Record:
    begun, figures, diverged = time.perf_counter(), {}, None
    try:
        figures = {name: float(value) for name, value in run(job.config).items()}
    except DivergedError as error:
        diverged = str(error)
    return Record(
        arm=job.arm,
        seed=job.config.seed,
        unit=job.unit,
        config=config_to_dict(job.config),
        figures=figures,
        diverged=diverged,
        seconds=time.perf_counter() - begun,
        environment=_environment_digest(),
        version=version("hyperdml"),
    )


def _environment_digest() -> str:
    """Twelve digits that stand for packages and hardware, without the numbers of threads."""
    found = environment()
    parts = {key: found[key] for key in ("packages", "python", "platform", "gpus")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
