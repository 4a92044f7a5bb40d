"""`hyperdml compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import ConfigError
from hyperdml.files import write_atomic


def compare(
    *words: str,
    seeds: str = "5",
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("runs/compare.jsonl"),
    grid: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    pair: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    baseline: str | None = None,
    metric: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    keep: Path | None = None,
    cache: Path | None = None,
    markdown: Path | None = None,
    json: Json = False,
) -> None:
    """Train recipes with the same seeds and compare them: mean, spread, paired differences with intervals.

    Every finished run is one line of the file --out. The same command goes on where it was interrupted, and with more
    seeds or recipes it makes only the runs that are missing. Controls of the recipes are not trained: name them as
    recipes.

    hyperdml compare emoji-lite0-ce emoji-lite0-hace --seeds 5

    hyperdml compare emoji-lite0-ce emoji-lite0-hace:loss.dilution=0.3 data.subset=tiny --seeds 0,3,7

    hyperdml compare emoji-lite0-hace --grid loss.dilution=0.1,0.3,0.5 --pair data.held_out=noto,twemoji

    Args:
        words: recipes (names of bundled ones or paths of YAML files), each one arm, as RECIPE or with settings of
            that arm alone as RECIPE:key=value,key=value; and key=value for settings of all arms.
        seeds: number of seeds, from 0 on, or a list such as 0,3,7 (7, is the one seed 7).
        out: ledger, a JSONL file.
        grid: key=value,value makes of every recipe one arm for each value; given several times, for each combination.
        pair: key=value,value runs every arm under each value, and compares within it; a seed's figure is the mean over
            the values.
        baseline: name of the arm that the others are compared with; by default the first.
        metric: figure to show, for example top1; may be given several times. By default those that matter most.
        keep: folder to keep run folders with their models in; by default each is removed when its run is finished.
        cache: folder of features of frozen backbones; by default features/ in the user's cache.
        markdown: file to write the tables to.
        json: print one JSON object.
    """
    from rich.console import Console

    from hyperdml.cli.progress import RunProgress
    from hyperdml.cli.train import check_cache
    from hyperdml.training.compare import Trainer, plan
    from hyperdml.training.compare import compare as run_comparison
    from hyperdml.training.compare.tables import json_report, markdown_report, text_report
    from hyperdml.training.compare.words import read_arms, read_seeds, read_values, refuse_settings
    from hyperdml.training.engine.processes import launched
    from hyperdml.training.figures import choose

    check_cache(cache)
    if launched():
        raise ConfigError("a comparison trains in one process; torchrun is for hyperdml train and resume")
    axes, pairing = read_values(grid, "--grid"), read_values(pair, "--pair")
    refuse_settings(words, axes, pairing)
    arms, numbers = read_arms(words, axes), read_seeds(seeds)
    if markdown is not None and not markdown.parent.is_dir():
        raise ConfigError(f"--markdown: there is no folder {markdown.parent}")
    if markdown is not None and markdown.is_dir():
        raise ConfigError(f"--markdown: {markdown} is a folder; name a file")
    progress = RunProgress(Console(stderr=True, soft_wrap=True))
    work = out.parent / f"{out.name}.runs" if keep is None else keep
    trainer = Trainer(plan(arms, numbers, pairing), work, keep=keep is not None, progress=progress, cache=cache)
    try:
        found = run_comparison(arms, numbers, out, trainer, progress, pair=pairing, baseline=baseline)
    finally:
        progress.close()
    metrics = choose(metric, found.figure_names)
    if markdown is not None:
        write_atomic(markdown, markdown_report(found, metrics).encode())
    if json:
        print_json({"ledger": str(out), **json_report(found, metrics)})
    else:
        print(text_report(found, metrics))
