"""Hyperparameters of the bundled study: every method is tried in the same number of ways on the validation classes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from paper_arms import METHODS, Choice, method_arm
from paper_runs import train_arms, validation_figures
from publish import RESULTS
from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.training.compare import Arm, Comparison
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig

CHOICES = RESULTS / "paper_tables_choice.json"
SEEDS = (100,)
"""Seeds of the tries; the comparison itself may not have them."""

CHOSEN_BY = "MAP@R"  # steadier than R@1 on 160 classes
SHOWN = ("R@1", "MAP@R")


def choose(titles: Sequence[str], ledger: Path, overrides: Sequence[str], progress: Progress) -> dict[str, Choice]:
    """Try methods, the metric losses among them first, whose choice the others take over.

    Args:
        titles: methods; the metric losses that they build on are tried too.
        ledger: JSONL file of the tries, gone on with if it is there.
        overrides: settings of all tries.
        progress: told about everything.

    Returns:
        The choice for every method and every metric loss it builds on.

    Raises:
        HyperdmlError: see `compare`.
    """
    wanted = set(titles)
    wanted |= {of for title in titles if (of := METHODS[title].control_of) is not None}
    wanted |= {base for title in wanted if (base := METHODS[title].base) is not None}
    found: dict[str, Choice] = {}
    for stage in (True, False):
        part = [title for title in METHODS if title in wanted and (METHODS[title].base is None) == stage]
        part = [title for title in part if METHODS[title].control_of is None]
        if part:
            arms = [arm for title in part for arm in _tries(title, found, overrides)]
            made = train_arms(arms, SEEDS, ledger, validation_figures, progress)
            found |= {title: _best(title, made) for title in part}
    for title in METHODS:
        of = METHODS[title].control_of
        if title in wanted and of is not None:
            found[title] = Choice(METHODS[title].carried(found[of].settings))
    return {title: found[title] for title in METHODS if title in found}


def _tries(title: str, choices: Mapping[str, Choice], overrides: Sequence[str]) -> list[Arm]:
    found = []
    for settings in METHODS[title].tries():
        arm = method_arm(title, choices, settings, overrides, _name(title, settings))
        if not isinstance(arm.config, TrainConfig):
            raise ConfigError("the recipe of the bundled study must be one for retrieval")
        last = f"evaluation.every={arm.config.optim.steps}"  # the only validation is at the end
        found.append(method_arm(title, choices, settings, [*overrides, last], arm.name))
    return found


def _name(title: str, settings: Sequence[str]) -> str:
    return f"{title}: {', '.join(settings)}"


def _best(title: str, made: Comparison) -> Choice:
    """The try with the highest mean over the seeds; the first of equal ones; none that diverged."""
    tries: dict[str, dict[str, float]] = {}
    for settings in METHODS[title].tries():
        place = made.arms.index(_name(title, settings))
        means = {metric: float(made.values(metric)[place, :, 0].mean()) for metric in SHOWN}
        tries[" ".join(settings)] = {metric: mean for metric, mean in means.items() if math.isfinite(mean)}
    scores = [figures.get(CHOSEN_BY, math.nan) for figures in tries.values()]
    if np.isnan(scores).all():
        raise DataError(f"every try of {title!r} diverged: nothing can be chosen")
    return Choice(METHODS[title].tries()[int(np.nanargmax(scores))], tries)


def save_choices(choices: Mapping[str, Choice], path: Path = CHOICES) -> None:
    """Write what was chosen, with the figures of all tries."""
    record = {
        "seeds": SEEDS,
        "chosen_by": CHOSEN_BY,
        "methods": TypeAdapter(dict[str, Choice]).dump_python(dict(choices)),
    }
    write_atomic(path, (json.dumps(record, indent=1) + "\n").encode())


def load_choices(path: Path = CHOICES) -> dict[str, Choice]:
    """What was chosen.

    Raises:
        DataError: the file is missing or damaged, or it lacks a method or has settings that are not tried (any more).
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: python benchmarks/paper_tables.py --choose makes it")
    try:
        found = TypeAdapter(dict[str, Choice]).validate_python(json.loads(path.read_bytes())["methods"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{path} is damaged: {error}") from None
    for title, method in METHODS.items():
        allowed = method.tries()
        if method.control_of in found:
            allowed = [method.carried(found[method.control_of].settings)]
        if title not in found or found[title].settings not in allowed:
            raise DataError(f"{path} has no choice for {title!r} among its tries: make it anew with --choose")
    return found
