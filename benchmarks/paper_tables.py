"""Tables 1, 2 and 4 and figures 6 and 7 of the HIER paper, ours beside the published ones; and a small-scale study.

    python benchmarks/paper_tables.py --table 1 --data-root cub=FOLDER --data-root cars=FOLDER --seeds 3
    python benchmarks/paper_tables.py --table 1-others --table 2 --table 4 --figure 6 --figure 7 --data-root ...
    python benchmarks/paper_tables.py --all --dry-run
    python benchmarks/paper_tables.py --bundled --seeds 5

Cells that share a run share it. Every finished run is a line of the ledger, which `hyperdml compare --out` reads too;
the same command goes on where it was interrupted. With `--seeds 3,4` another machine that has the data in the same
folders makes other seeds: put the ledgers together with `cat`. `--smoke` shows on the miniatures of `hyperdml datasets
make` that everything runs. `--bundled` is the study on the bundled emoji (`paper_bundled.py`).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import paper_bundled
from paper_cells import RECIPE_NETS, Run, distinct, figure_runs, make_arm, steps_of, table_runs
from paper_layout import Ours, Rows, draw_figure, figure_section, table_section
from paper_published import DATA, FIGURES, NETS, TABLES
from paper_runs import run_arms
from publish import RESULTS, publish
from rich.console import Console

from hyperdml.cli.progress import RunProgress
from hyperdml.errors import HyperdmlError
from hyperdml.training.compare import Arm, Record
from hyperdml.training.compare.words import read_seeds
from hyperdml.training.environment import environment
from hyperdml.training.retrieval.config import TrainConfig

IMAGES = RESULTS.parent / "images"
LEDGER = Path("runs/paper_tables.jsonl")
VARIANTS = ("official", "paper", "ours")

READING = """"Published" is the paper's figure, of one run, its epoch not named. Ours are means over seeds, ± the
standard deviation: of the last epoch, and, unless it was the last in all runs, of the best one, which the papers' code
chooses on the test classes. That is optimistic. A dash is a figure that is not there."""

# nets, images and steps that run anywhere: the figures mean nothing then
SMOKE_NETS = {"R": "test_resnet", "B": "test_resnet", "De": "test_vit2", "DN": "test_vit3", "V": "test_vit"}
SMOKE = (
    "workers=0",
    "data.complete=false",
    "data.image_size=32",
    "model.weights=none",
    "model.pooling=timm",
    "model.freeze=[]",
    "batch.size=8",
    "batch.per_class=2",
    "optim.epochs=null",
    "optim.steps=4",
    "optim.warmup_epochs=0",
    "optim.precision=float32",
    "evaluation.ks=[1,2,4,10,20]",
    "evaluation.on=test",
    "evaluation.every=2",
    "evaluation.every_epochs=0",
    "evaluation.draws=2",
)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of all runs as key=value, for example workers=16")
    parser.add_argument("--table", choices=list(TABLES), action="append", default=[])
    parser.add_argument("--figure", choices=list(FIGURES), action="append", default=[])
    parser.add_argument("--all", action="store_true", help="all tables and figures")
    parser.add_argument("--data-root", action="append", default=[], metavar="DATA=FOLDER", help="folder of a release")
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS), help="rows of these nets alone")
    parser.add_argument("--variant", choices=VARIANTS, default="official", help="of the recipes that differ in it")
    parser.add_argument("--seeds", default="1", help="number of seeds, or a list such as 3,4 to share the work")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--ledger", type=Path, help=f"JSONL file of finished runs ({LEDGER})")
    parser.add_argument("--dry-run", action="store_true", help="list the runs with their steps, and train nothing")
    parser.add_argument("--smoke", action="store_true", help="a tiny net and a few steps, to see that everything runs")
    parser.add_argument("--publish", action="store_true", help="write docs/results/paper_tables_DATA.md and .json")
    paper_bundled.add_options(parser)
    found = parser.parse_args(words)
    try:
        found.seeds = read_seeds(found.seeds)
    except HyperdmlError as error:
        parser.error(str(error))
    for word in found.overrides:
        if "=" not in word or word.startswith(("seed", "data.name", "data.root", "device")):
            parser.error(f"{word!r} is not key=value, or has an option of its own: seeds, data and device")
    if found.bundled or found.choose:
        if found.table or found.figure or found.all or found.data_root:
            parser.error(
                "--bundled and --choose are a study of its own: give no table, figure or --data-root with them"
            )
        return found
    if found.all:
        found.table, found.figure = list(TABLES), list(FIGURES)
    if not found.table and not found.figure:
        parser.error("name a --table or --figure, or give --all, --bundled or --choose")
    found.table, found.figure = (
        [n for n in known if n in asked] for known, asked in ((TABLES, found.table), (FIGURES, found.figure))
    )
    if "7" in found.figure and found.variant == "ours":
        parser.error("figure 7 varies options of the published modes: --variant official or paper has them")
    found.roots = dict(word.partition("=")[::2] for word in found.data_root)
    for name, folder in found.roots.items():
        if name not in DATA or not Path(folder).expanduser().is_dir():
            parser.error(f"--data-root must be {', '.join(DATA)} with a folder, got {name}={folder}")
    if not found.roots and not found.dry_run:
        parser.error(f"give --data-root DATA=FOLDER for the data sets that are there, of {', '.join(DATA)}")
    return found


def smoke(run: Run) -> tuple[str, ...]:
    """Settings under which a run takes seconds on a miniature of its data."""
    net = next(net for short, net in SMOKE_NETS.items() if RECIPE_NETS[short] in run.recipe.split("-"))
    return (*SMOKE, f"model.backbone={net}")


def planned(tables: Sequence[str], figures: Sequence[str], variant: str, nets: Sequence[str]) -> dict[str, Rows]:
    """Runs of every table and figure by its name ("figure 6"), with the rows of some nets alone."""
    found: dict[str, Rows] = {}
    for name in tables:
        rows = table_runs(name, variant)
        found[name] = {title: runs for title, runs in rows.items() if title.split(", ")[1].split("-")[0] in nets}
    for name in figures:
        if ("V" if name == "6" else "De") in nets:
            found[f"figure {name}"] = figure_runs(name, variant)
    return found


def listing(parts: Mapping[str, Rows], arms: Mapping[Run, Arm], seeds: int) -> str:
    """All runs with their optimiser steps and images on the whole releases, by table and figure."""
    lines, total = [], 0
    for name, rows in parts.items():
        runs = distinct([rows])
        lines.append(f"{name if name.startswith('figure') else f'table {name}'}: {len(runs)} runs")
        for run in runs:
            config = arms[run].config
            if run.zero_shot or not isinstance(config, TrainConfig):
                lines.append(f"  {run.name}: nothing to train")
            else:
                steps = steps_of(config)
                lines.append(f"  {run.name}: {steps:,} steps of {config.batch.size} images")
    for run, arm in arms.items():
        if not run.zero_shot and isinstance(arm.config, TrainConfig):
            total += steps_of(arm.config) * arm.config.batch.size
    lines.append(
        f"{len(arms)} different runs, {seeds} seed{'s' if seeds > 1 else ''}: {total * seeds / 1e6:,.1f} million images"
    )
    return "\n".join(lines)


def page(parts: Mapping[str, Rows], records: Sequence[Record], pictures: Path, link: str) -> str:
    """Markdown of everything; draws the figures.

    Args:
        parts: runs of every table and figure.
        records: all runs.
        pictures: path of a figure without its number and ending.
        link: the same as the page links it.
    """
    ours = Ours(records)
    minutes = sum(record.seconds for record in records) / 60
    sections = [
        f"{len({record.arm for record in records})} ways to train, {len(records)} runs, {minutes:,.0f} minutes "
        f"(torch {environment()['packages']['torch']}).",
        READING,
    ]
    for name, rows in parts.items():
        if name in TABLES:
            sections.append(table_section(name, rows, parts, ours))
        else:
            number = name.split()[1]
            drawn = draw_figure(number, rows, ours, Path(f"{pictures}_{number}.png"))
            sections.append(figure_section(number, rows, ours, f"{link}_{number}.png" if drawn else ""))
    return "\n\n".join(sections)


def main(words: Sequence[str] | None = None) -> None:
    asked = read_arguments(words)
    command = shlex.join(["python", "benchmarks/paper_tables.py", *(sys.argv[1:] if words is None else words)])
    if asked.bundled or asked.choose:
        paper_bundled.run(asked, command)
        return
    parts = planned(asked.table, asked.figure, asked.variant, asked.nets)
    runs = [run for run in distinct(parts.values()) if asked.dry_run or run.data in asked.roots]
    progress = RunProgress(Console(stderr=True, soft_wrap=True))
    try:
        after = [f"device={asked.device}", *asked.overrides]
        arms = {run: make_arm(run, asked.roots, smoke(run) if asked.smoke else (), after) for run in runs}
        if asked.dry_run:
            print(listing(parts, arms, len(asked.seeds)))
            return
        if not runs:
            sys.exit(
                f"no data: these are made with {', '.join(dict.fromkeys(run.data for run in distinct(parts.values())))}"
            )
        ledger = asked.ledger or LEDGER
        trained, zero_shot = ([arm for run, arm in arms.items() if run.zero_shot is way] for way in (False, True))
        records = run_arms(trained, zero_shot, asked.seeds, ledger, progress)
    except HyperdmlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        progress.close()
    name = "_".join(["paper_tables", *asked.roots])
    pictures = IMAGES / f"{name}_figure" if asked.publish else ledger.with_name(f"{ledger.stem}_figure")
    text = page(parts, records, pictures, f"../images/{pictures.name}" if asked.publish else str(pictures))
    print(f"{command}\n\n{text}")
    if asked.publish:
        fields = ("arm", "seed", "figures", "diverged", "seconds")
        results = [{field: getattr(record, field) for field in fields} for record in records]
        title = f"Tables of the HIER paper, {', '.join(DATA[name] for name in asked.roots)}"
        publish(name, title, command.replace(" --publish", ""), text, results)


if __name__ == "__main__":
    main()
