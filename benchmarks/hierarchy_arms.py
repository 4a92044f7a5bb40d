"""Arms of `hierarchy_evidence.py`, on the bundled emoji, trained once a seed into run folders that are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paper_arms import COMMON, DEFAULT, HYP, METHODS, OFFICIAL, PA, RECIPE, SPHERE, Choice, Method, method_arm
from paper_choice import CHOICES, CHOSEN_BY, SEEDS, SHOWN, load_choices
from paper_runs import train_arms, validation_figures
from publish import RESULTS
from pydantic import TypeAdapter

from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.training.compare import Arm
from hyperdml.training.folder import create_run
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.result import load_result
from hyperdml.training.retrieval.run import execute
from hyperdml.training.settings import load_config

PAPER, FLAT = f"{PA} + HIER (paper)", f"{PA} + HIER in flat space (default)"
HACE = f"{PA} + HACE (sees the taxonomy)"
DOUBLING = f"{PA} + HIER (default, levels doubling)"
FREE, EUCLIDEAN = "Hyp, radii of their own", "Hyp, Euclidean"
FINE_LEVELS = tuple(2**power for power in range(1, 10))  # as `hierarchy_levels.py` tried them on validation classes
ARMS = (PA, OFFICIAL, PAPER, DEFAULT, DOUBLING, FLAT, HYP, SPHERE, FREE, EUCLIDEAN, HACE)
UNTRAINED = "untrained backbone"
ALONE = ("evaluation.controls=[]",)
OWN_CHOICES = RESULTS / "hierarchy_evidence_choice.json"

OWN: dict[str, Method] = {
    title: replace(METHODS[HYP], title=title, settings=(*METHODS[HYP].settings, *settings))
    for title, settings in {
        FREE: ("model.head.kind=scaled",),
        # a ball so wide that it is flat where the points lie: its distance is 2 |x - y|
        EUCLIDEAN: ("model.head.kind=scaled", "model.head.c=0.0001", "model.head.clip_r=50"),
    }.items()
}
"""Methods that `paper_tables.py` does not have, tried in as many ways: Hyp where radii differ, and the same without
curvature."""


def evidence_arms(overrides: Sequence[str]) -> dict[str, TrainConfig]:
    """The configuration of every arm by its title, with the hyperparameters that `paper_tables.py --choose` chose.

    The arm with HACE is Proxy Anchor as chosen plus the term at the weight of the documentation: nothing was chosen for
    it, and it alone is given the taxonomy of the training classes.
    """
    choices = load_choices(CHOICES)
    words = [*ALONE, *overrides]
    found = {
        title: _config(method_arm(title, choices, choices[title].settings, words))
        for title in (PA, OFFICIAL, PAPER, DEFAULT, FLAT, HYP, SPHERE)
    }
    found[DOUBLING] = default_config([*overrides, f"hier.levels={list(FINE_LEVELS)}"])
    own = _load_own()
    found |= {title: _config(_own_arm(title, own[title].settings, words)) for title in OWN}
    found[HACE] = _config(method_arm(PA, choices, choices[PA].settings, [*words, "hace.weight=1"]))
    return {title: found[title] for title in ARMS}


def default_config(overrides: Sequence[str]) -> TrainConfig:
    """The configuration of Proxy Anchor + HIER in mode "default", as chosen, with settings of one's own."""
    choices = load_choices(CHOICES)
    return _config(method_arm(DEFAULT, choices, choices[DEFAULT].settings, [*ALONE, *overrides]))


def choose_own(ledger: Path, overrides: Sequence[str], progress: Progress) -> dict[str, Choice]:
    """Try the methods of `OWN` on the validation classes, as `paper_tables.py --choose` tries the others, and keep it.

    Args:
        ledger: JSONL file of the tries, gone on with if it is there.
        overrides: settings of all tries.
        progress: told about everything.
    """
    names = {(title, settings): f"{title}: {', '.join(settings)}" for title in OWN for settings in OWN[title].tries()}
    arms = []
    for (title, settings), name in names.items():
        steps = _config(_own_arm(title, settings, overrides)).optim.steps
        arms.append(_own_arm(title, settings, [*overrides, f"evaluation.every={steps}"], name))
    made = train_arms(arms, SEEDS, ledger, validation_figures, progress)
    found = {}
    for title, method in OWN.items():
        tries = {
            settings: {
                figure: float(made.values(figure)[made.arms.index(names[title, settings])].mean()) for figure in SHOWN
            }
            for settings in method.tries()
        }
        best = max(tries, key=lambda settings: tries[settings][CHOSEN_BY])
        found[title] = Choice(best, {" ".join(settings): figures for settings, figures in tries.items()})
    record = {"seeds": SEEDS, "chosen_by": CHOSEN_BY, "methods": TypeAdapter(dict[str, Choice]).dump_python(found)}
    write_atomic(OWN_CHOICES, (json.dumps(record, indent=1) + "\n").encode())
    return found


def trained(title: str, config: TrainConfig, seed: int, work: Path, progress: Progress) -> Path:
    """The finished run folder of an arm and seed, trained now if it is not there.

    Args:
        title: of the arm.
        config: of the arm.
        seed: of the run.
        work: folder of the run folders.
        progress: told about everything.
    """
    folder = work / f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}-{seed}"
    if load_result(folder) is None:
        settings = replace(config, seed=seed)
        if not (folder / "config.yaml").is_file():
            create_run(settings, folder)
        execute(settings, folder, progress)
    return folder


def _load_own() -> dict[str, Choice]:
    if not OWN_CHOICES.is_file():
        raise DataError(f"{OWN_CHOICES} is missing: python benchmarks/hierarchy_evidence.py --choose makes it")
    return TypeAdapter(dict[str, Choice]).validate_python(json.loads(OWN_CHOICES.read_bytes())["methods"])


def _own_arm(title: str, settings: Sequence[str], overrides: Sequence[str], name: str | None = None) -> Arm:
    return Arm(name or title, load_config(RECIPE, [*COMMON, *OWN[title].settings, *settings, *overrides]))


def _config(arm: Arm) -> TrainConfig:
    if not isinstance(arm.config, TrainConfig):
        raise TypeError(f"{arm.name} is not a retrieval arm")
    return arm.config
