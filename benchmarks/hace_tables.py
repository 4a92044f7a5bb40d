"""Tables 2 to 6 and 9 to 11 and figures 2 and 3 of the HACE paper, ours beside the published ones.

    python benchmarks/hace_tables.py --data emoji --all
    python benchmarks/hace_tables.py --table 3 --figure 2 --root aircraft=FOLDER
    python benchmarks/hace_tables.py --all --root cifar100=FOLDER --root aircraft=FOLDER --root nabirds=FOLDER
    python benchmarks/hace_tables.py --table 4 --list

Models that several tables share are trained once. Every finished one is a line of the ledger, which
`hyperdml compare --out` reads too; the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hace_arms import EMOJI, PAPER, Model, Setting, candidates, columns, figure_models, make_arm, rows
from hace_layout import class_gains, draw_gains, figure_section, table_section
from hace_paper import FIGURES, TABLES
from hace_runs import run_arms
from publish import RESULTS, publish
from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.errors import HyperdmlError
from hyperdml.training.compare import Comparison
from hyperdml.training.environment import environment

IMAGES = RESULTS.parent / "images"

# what the tables vary, or what has an option of its own
_FIXED = ("seed", "loss.", "optim.lr_pairing", "optim.epochs", "data.name", "data.root")

READING = """The paper takes the best of several models on the test images (the heads of the columns say how many), \
which is optimistic, and the more so for the loss with more models: HACE has two for each dilution, the others one for \
each and one more. The rows at one dilution are without a choice: "standard" is HACE at the recipe's learning rate and \
the others at (1 - dilution) times it, "adj" the others at the recipe's and HACE at 1 / (1 - dilution) times it. The \
paper's three dilutions, betas, alphas and learning rates are lost in the text we have: ours are our choice, and which \
published column belongs to which value is not known. SCE is cross-entropy."""


def needed(
    tables: Sequence[int], figures: Sequence[int], setting: Setting, dilutions: Sequence[float]
) -> dict[str, list[Model]]:
    """The models of every table and figure, by its title."""
    found = {}
    for number in tables:
        cells = [(row, column) for row in rows(number, setting) for column in columns(number, setting, dilutions)]
        models = [model for cell in cells for model in candidates(number, *cell, setting, dilutions)]
        found[f"Table {number}"] = list(dict.fromkeys(models))
    for number in figures:
        found[f"Figure {number}"] = [model for part in figure_models(setting, dilutions).values() for model in part]
    return found


def page(
    found: Comparison,
    tables: Sequence[int],
    figures: Sequence[int],
    setting: Setting,
    dilutions: Sequence[float],
    pictures: Path,
    link: str,
) -> str:
    """Markdown of everything; draws the figures.

    Args:
        found: all runs.
        tables: numbers of the tables.
        figures: numbers of the figures.
        setting: data and nets.
        dilutions: values of the dilution.
        pictures: path of a figure without its number and ending.
        link: the same as the page links it.
    """
    runs = len(found.records)
    spread = f"; ± is the standard deviation over {len(found.seeds)} seeds" if len(found.seeds) > 1 else "; one seed"
    sections = [
        f"{len(found.arms)} models, {runs} runs, {sum(record.seconds for record in found.records) / 60:.0f} minutes of "
        f"training; dilutions {', '.join(f'{d:g}' for d in dilutions)}{spread} "
        f"(torch {environment()['packages']['torch']}).",
        READING,
    ]
    sections += [table_section(number, found, setting, dilutions) for number in tables]
    for number in figures:
        models, gains = class_gains(number, found, setting, dilutions)
        if gains:
            draw_gains(gains, models, Path(f"{pictures}_{number}.png"))
        sections.append(figure_section(number, models, gains, f"{link}_{number}.png"))
    return "\n\n".join(sections)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of all models as key=value, for example workers=16")
    parser.add_argument("--table", type=int, choices=list(TABLES), action="append", default=[])
    parser.add_argument("--figure", type=int, choices=list(FIGURES), action="append", default=[])
    parser.add_argument("--all", action="store_true", help="all tables and figures")
    parser.add_argument("--root", action="append", default=[], metavar="DATA=FOLDER", help="folder of a release")
    parser.add_argument("--data", choices=["emoji"], help="the bundled data and small nets instead of the paper's")
    parser.add_argument("--dilutions", default="0.3,0.5,0.7")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0")
    parser.add_argument("--epochs", type=int, help="passes over the training images, instead of the recipes'")
    parser.add_argument("--ledger", type=Path, default=Path("runs/hace_tables.jsonl"))
    parser.add_argument("--list", action="store_true", help="print the models that are needed, and train nothing")
    parser.add_argument("--publish", action="store_true", help="write docs/results/hace_tables_DATA.md and .json")
    found = parser.parse_args(words)
    if found.all:
        found.table, found.figure = list(TABLES), list(FIGURES)
    if not found.table and not found.figure:
        parser.error("name a --table or --figure, or give --all")
    found.table, found.figure = sorted(set(found.table)), sorted(set(found.figure))
    found.roots = dict(word.partition("=")[::2] for word in found.root)
    for name, folder in found.roots.items():
        if name not in PAPER.data.values() or not Path(folder).is_dir():
            parser.error(f"--root must be {', '.join(PAPER.data.values())} with a folder, got {name}={folder}")
    if (found.data == "emoji") == bool(found.roots) and not (found.list and not found.roots):
        parser.error("give --data emoji, or --root DATA=FOLDER for the data sets that are there")
    try:
        found.dilutions = tuple(float(word) for word in found.dilutions.split(","))
    except ValueError:
        found.dilutions = ()
    if (
        not found.dilutions
        or len(set(found.dilutions)) < len(found.dilutions)
        or not all(0 < dilution < 1 for dilution in found.dilutions)
    ):
        parser.error("--dilutions must be different numbers between 0 and 1 such as 0.3,0.5,0.7")
    if found.seeds < 1 or (found.epochs is not None and found.epochs < 1):
        parser.error(f"--seeds and --epochs must be at least 1, got {found.seeds} and {found.epochs}")
    for word in found.overrides:
        if "=" not in word or word.startswith(_FIXED):
            parser.error(f"{word!r} is not key=value, or the tables set it themselves: {', '.join(_FIXED)}")
    return found


def main(words: Sequence[str] | None = None) -> None:
    asked = read_arguments(words)
    setting = EMOJI if asked.data == "emoji" else PAPER
    models = needed(asked.table, asked.figure, setting, asked.dilutions)
    distinct = list(dict.fromkeys(model for part in models.values() for model in part))
    if asked.list:
        for title, part in models.items():
            print(f"{title}: {len(part)} models\n" + "\n".join(f"  {model.name}" for model in part))
        print(f"{len(distinct)} different models, {len(distinct) * asked.seeds} runs")
        return
    there = [model for model in distinct if model.data in asked.roots or setting is EMOJI]
    if not there:
        sys.exit(f"no data: these tables are made with {', '.join(sorted({model.data for model in distinct}))}")
    drawn = {model.name for part in figure_models(setting, asked.dilutions).values() for model in part}
    progress = RunProgress(Console(stderr=True, soft_wrap=True))
    try:
        arms = [make_arm(model, setting, asked.roots, asked.overrides, asked.epochs) for model in there]
        found = run_arms(arms, range(asked.seeds), drawn, asked.ledger, progress)
    except HyperdmlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        progress.close()
    name = "_".join(["hace_tables", *(asked.roots or ["emoji"])])
    pictures = IMAGES / f"{name}_figure" if asked.publish else asked.ledger.with_name(f"{asked.ledger.stem}_figure")
    link = f"../images/{pictures.name}" if asked.publish else str(pictures)
    text = page(found, asked.table, asked.figure, setting, asked.dilutions, pictures, link)
    command = shlex.join(["python", "benchmarks/hace_tables.py", *(sys.argv[1:] if words is None else words)])
    print(f"{command}\n\n{text}")
    if asked.publish:
        fields = ("arm", "seed", "figures", "diverged", "seconds")
        runs = [{field: getattr(record, field) for field in fields} for record in found.records]
        title = f"Tables of the HACE paper, {', '.join(asked.roots or ['bundled emoji'])}"
        publish(name, title, command.replace(" --publish", ""), text, runs)


if __name__ == "__main__":
    main()
