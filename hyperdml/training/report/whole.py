"""The report of a run of any kind: as one page in its folder, or as one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyperdml.files import write_atomic
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.report.classify import classify_record, classify_report
from hyperdml.training.report.findings import find
from hyperdml.training.report.retrieval import retrieval_report
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.result import RunResult
from hyperdml.training.settings import Config
from hyperdml.viz.report import report_page

REPORT = "report.html"
"""Name of the report in a run folder."""


def write_report(config: Config, folder: Path, result: RunResult | ClassifyResult) -> None:
    """Write RUN/report.html of a finished run anew, and the pictures and the tree that belong to it.

    Args:
        config: the run.
        folder: its folder.
        result: its figures, of the same kind as the configuration.

    Raises:
        TypeError: configuration and result are of different kinds.
        OSError: see `write_atomic`.
    """
    if isinstance(config, TrainConfig) and isinstance(result, RunResult):
        document = retrieval_report(folder, config, find(config, folder, result, keep=True))
    elif isinstance(config, ClassifyConfig) and isinstance(result, ClassifyResult):
        document = classify_report(folder, config, result)
    else:
        raise _mismatch(config, result)
    write_atomic(folder / REPORT, report_page(document).encode())


def report_record(config: Config, folder: Path, result: RunResult | ClassifyResult) -> dict[str, Any]:
    """All that the report says as one record for JSON; nothing is written. The arguments are those of `write_report`.

    Raises:
        TypeError: configuration and result are of different kinds.
    """
    if isinstance(config, TrainConfig) and isinstance(result, RunResult):
        return find(config, folder, result, keep=False, images=False).record(folder, config)
    if isinstance(config, ClassifyConfig) and isinstance(result, ClassifyResult):
        return classify_record(folder, config, result)
    raise _mismatch(config, result)


def _mismatch(config: object, result: object) -> TypeError:
    return TypeError(f"{type(result).__name__} is no result of a run of {type(config).__name__}")
