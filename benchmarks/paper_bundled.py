"""The small-scale study of `paper_tables.py`: HIER and its peers on the bundled emoji, same budget for all.

    python benchmarks/paper_tables.py --choose                  # hyperparameters, on validation classes
    python benchmarks/paper_tables.py --bundled --seeds 5       # the comparison, on test classes

Both go on from their ledgers in `--work`, and can be shared under the same other options: `--choose --methods ...`
tries some methods (the metric losses first: the others take over what was chosen for them), `--bundled --seeds 3,4`
makes some seeds. Put ledgers of the same name together with `sort -u`, and the same command without these options reads
them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from paper_arms import FINE_TUNED, FINE_TUNED_PAIRS, METHODS, PAIRS, Choice, fine_tuned_arm, method_arm
from paper_bundled_page import Study, page
from paper_choice import CHOICES, SEEDS, choose, load_choices, save_choices
from paper_runs import end_figures, train_arms
from publish import publish
from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.errors import ConfigError, HyperdmlError
from hyperdml.training.compare import Comparison
from hyperdml.training.progress import Progress

STUDIES = ("heads", "fine-tuned")
FINE_TUNED_SEEDS = 3

# for a try of the commands: the figures mean nothing then
SMOKE = ("data.subset=tiny", "data.image_size=32", "optim.steps=104", "optim.views=1", "batch.size=32")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the study."""
    group = parser.add_argument_group("the study on the bundled data")
    group.add_argument("--bundled", action="store_true", help="compare, on the test classes")
    group.add_argument("--choose", action="store_true", help="try hyperparameters, on the validation classes")
    group.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES), help="parts of --bundled")
    group.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD", help="try some of --choose")
    group.add_argument("--work", type=Path, default=Path("runs/paper_tables"), help="folder of the ledgers")
    group.add_argument("--choices", type=Path, default=CHOICES, help="what was chosen; written by --choose")


def run(asked: argparse.Namespace, command: str) -> None:
    """Choose or compare, print, and publish if that is asked for.

    Args:
        asked: the command line.
        command: the same as text.
    """
    asked.work.mkdir(parents=True, exist_ok=True)
    overrides = [f"device={asked.device}", *(SMOKE if asked.smoke else ()), *asked.overrides]
    progress = RunProgress(Console(stderr=True, soft_wrap=True))
    try:
        if asked.choose:
            _choose(asked, overrides, progress)
            return
        choices = load_choices(asked.choices) if "heads" in asked.studies else {}
        found = compare_methods(asked, choices, overrides, progress)
    except HyperdmlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        progress.close()
    text = page(found, choices)
    print(f"{command}\n\n{text}")
    if asked.publish:
        fields = ("arm", "seed", "figures", "diverged", "seconds")
        results = {
            name: [{field: getattr(record, field) for field in fields} for record in study.found.records]
            for name, study in found.items()
        }
        title = "HIER and its peers on the bundled data"
        publish("paper_tables", title, command.replace(" --publish", ""), text, results)


def compare_methods(
    asked: argparse.Namespace, choices: Mapping[str, Choice], overrides: Sequence[str], progress: Progress
) -> dict[str, Study]:
    """The runs of every study that was asked for.

    Args:
        asked: the command line.
        choices: what was chosen for every method; of no use to the fine-tuned study.
        overrides: settings of all arms.
        progress: told about everything.

    Raises:
        HyperdmlError: a run cannot be made, or a seed was one of those of the choice.
    """
    shared = sorted(set(asked.seeds) & set(SEEDS))
    if shared:
        raise ConfigError(f"--seeds {shared[0]} was used to choose hyperparameters: the comparison needs other seeds")
    found = {}
    if "heads" in asked.studies:
        arms = [method_arm(title, choices, choices[title].settings, overrides) for title in METHODS]
        made: Comparison = train_arms(arms, asked.seeds, asked.work / "heads.jsonl", end_figures, progress)
        found["heads"] = Study(made, PAIRS)
    if "fine-tuned" in asked.studies:
        seeds = [seed for seed in asked.seeds if seed < FINE_TUNED_SEEDS]
        if seeds:
            arms = [fine_tuned_arm(title, overrides) for title in FINE_TUNED]
            made = train_arms(arms, seeds, asked.work / "fine-tuned.jsonl", end_figures, progress)
            found["fine-tuned"] = Study(made, FINE_TUNED_PAIRS)
    return found


def _choose(asked: argparse.Namespace, overrides: Sequence[str], progress: Progress) -> None:
    titles = asked.methods or list(METHODS)
    choices = choose(titles, asked.work / "choose.jsonl", overrides, progress)
    for title, choice in choices.items():
        print(f"{title}: {' '.join(choice.settings)}")
    if len(choices) == len(METHODS):
        save_choices(choices, asked.choices)
        print(f"written to {asked.choices}")
    else:
        print(f"{len(METHODS) - len(choices)} methods are not tried yet: {asked.choices} is written when all are")
