"""`hyperdml report`."""

from __future__ import annotations

from pathlib import Path

from hyperdml.cli.output import Json, print_json


def report(run: Path, /, *, json: Json = False) -> None:
    """What a finished run found: its tables once more, with report.html and its pictures written anew.

    hyperdml report runs/quickstart

    hyperdml report runs/quickstart --json

    Args:
        run: run folder.
        json: print one JSON object with the configuration, all figures with their intervals, the trees beside their
            null models, radii and environment, and write nothing.
    """
    from hyperdml.cli.conclude import report_again, results_of
    from hyperdml.training.folder import read_run
    from hyperdml.training.report.whole import report_record

    config = read_run(run)
    result = results_of(config, run)
    if json:
        print_json(report_record(config, run, result))
        return
    report_again(config, run, result)
