"""Where a benchmark's table goes: docs/results/NAME.md for reading, NAME.json with every figure of every repeat."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperdml.training.environment import environment

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def publish(name: str, title: str, command: str, text: str, results: Any) -> None:
    """Write a page and a record.

    Args:
        name: file name without ending.
        title: heading of the page.
        command: the command that prints the page's tables.
        text: Markdown below the command.
        results: what the tables were made from; dataclasses, lists and dictionaries.
    """
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n`{command}`\n\n{text}\n")
    record = {"command": command, "environment": environment(), "results": results}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1, default=asdict) + "\n")
