"""The report of a classification run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.report import (
    class_comparison,
    class_explanation,
    class_rates,
    class_setting,
    class_steps,
    class_table,
    full_table,
)
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.report.log_charts import log_blocks, read_log
from hyperdml.training.report.origin import origin_blocks, read_environment
from hyperdml.training.settings import config_to_dict
from hyperdml.viz.report import Commands, Document, Fold, Paragraph, Section, Table


def classify_report(folder: Path, config: ClassifyConfig, result: ClassifyResult) -> Document:
    """Compose the report.

    Args:
        folder: run folder.
        config: the run.
        result: its figures.
    """
    main = frozenset({len(result.rows) - 1})
    alone = "No control was trained beside it (evaluation.controls)."
    lead = [class_setting(config, result), class_comparison(result.rows) or alone, class_rates(config)]
    sections = [
        Section(
            "Figures",
            [
                Table(*class_table(result.rows, result.part), strong=main),
                Paragraph(class_explanation()),
                Fold("All figures", [Table(*full_table(result.rows))]),
            ],
        ),
        Section("Curves", log_blocks(read_log(folder / "metrics.jsonl"))),
        Section("Recipe and environment", origin_blocks(config, read_environment(folder))),
        Section("What to try next", [Commands(class_steps(folder, config))]),
    ]
    title = f"{folder.resolve().name}, seed {config.seed}"
    return Document(title, [Paragraph(text) for text in lead if text], sections)


def classify_record(folder: Path, config: ClassifyConfig, result: ClassifyResult) -> dict[str, Any]:
    """All of it as one record for JSON."""
    return {
        "run": str(folder),
        "config": config_to_dict(config),
        **asdict(result),
        "environment": read_environment(folder),
    }
