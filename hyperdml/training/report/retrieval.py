"""The report of a retrieval run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.report.findings import RetrievalFindings
from hyperdml.training.report.lead import against_controls, main_figures, setting
from hyperdml.training.report.log_charts import log_blocks, read_log
from hyperdml.training.report.origin import origin_blocks
from hyperdml.training.report.picture import PICTURE, picture_section
from hyperdml.training.report.retrieved import FOUND, retrieved_section
from hyperdml.training.report.sections import figures_section, proxy_trees_section, radii_section
from hyperdml.training.report.tree_section import tree_line, tree_section
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.report import comparison, next_steps
from hyperdml.viz.report import Block, Commands, Document, Paragraph, Section


def retrieval_report(folder: Path, config: TrainConfig, findings: RetrievalFindings) -> Document:
    """Compose the report, and draw disk.png, which is a part of it.

    Args:
        folder: run folder.
        config: the run.
        findings: of `find`.
    """
    result, missing, subject = findings.result, findings.missing, findings.subject
    tree = tree_section(findings.hierarchy, missing.get("hierarchy", ""))
    sections = [
        figures_section(config, result, findings.compared, missing.get("intervals", missing.get("embeddings", ""))),
        Section("Curves", log_blocks(read_log(folder / "metrics.jsonl"))),
        *([] if subject is None else [_made(FOUND, lambda: retrieved_section(subject, config.seed)), tree]),
        *proxy_trees_section(result),
        radii_section(result, None if subject is None else subject.embeddings),
        *([] if subject is None else [_made(PICTURE, lambda: picture_section(folder, subject, config.seed))]),
        Section("Recipe and environment", origin_blocks(config, findings.environment)),
        Section("What to try next", [Commands(next_steps(folder, config))]),
    ]
    return Document(f"{folder.resolve().name}, seed {config.seed}", _lead(config, findings), sections)


def _made(title: str, make: Callable[[], Section]) -> Section:
    """A section, or a sentence in its place: one that cannot be made must not take the report with it."""
    try:
        return make()
    except (DataError, ConfigError, ValueError) as error:
        return Section(title, [Paragraph(f"Not made: {error}.")])


def _lead(config: TrainConfig, findings: RetrievalFindings) -> list[Block]:
    result, main = findings.result, findings.result.rows[-1].title
    texts = [setting(config, result), main_figures(findings.compared)]
    texts += against_controls(main, findings.compared, result.classes) or [
        comparison(result.rows)
        or "No control was trained beside it, so what the regulariser adds cannot be told (evaluation.controls)."
    ]
    if findings.hierarchy is not None:
        texts.append(tree_line(findings.hierarchy))
    gone = [f"No {name}: {why}." for name, why in findings.missing.items() if name in ("embeddings", "images")]
    return [Paragraph(text) for text in [*texts, *gone] if text]
