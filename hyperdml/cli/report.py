"""`hyperdml report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from hyperdml.cli.output import Json, print_json


def report(run: Path, /, *, json: Json = False) -> None:
    """What a finished run found: its tables once more, with report.md and the picture written anew.

    hyperdml report runs/quickstart

    hyperdml report runs/quickstart --json

    Args:
        run: run folder.
        json: print one JSON object with the configuration and all figures, and write nothing.
    """
    from hyperdml.cli.conclude import report_again, results_of
    from hyperdml.training.folder import read_run
    from hyperdml.training.settings import config_to_dict

    config = read_run(run)
    result = results_of(config, run)
    if json:
        print_json({"run": str(run), "config": config_to_dict(config), **asdict(result)})
        return
    report_again(config, run, result)
