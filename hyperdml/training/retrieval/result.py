"""What a run found: the rows of its tables and the radius report, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperdml.metrics import RadiusReport
from hyperdml.training.records import Row, read_record, write_record
from hyperdml.tree import ProxyTreeReport

LEARNED = "its proxies"
FITTED = "k-means after training"


@dataclass(frozen=True)
class TreeRow:
    """One tree over the test images, with its scores.

    Attributes:
        title: what was trained.
        source: where the proxies come from, `LEARNED` or `FITTED`.
        report: scores and null models.
    """

    title: str
    source: str
    report: ProxyTreeReport


@dataclass(frozen=True)
class ArmResult:
    """What one arm left.

    Attributes:
        row: after its last epoch.
        trees: of the same model.
        best: at the best validation, where that was another epoch; its title says which, and on what it was chosen.
    """

    row: Row
    trees: tuple[TreeRow, ...]
    best: Row | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run found on the test classes.

    Attributes:
        rows: untrained backbone, controls, main arm, after their last epoch.
        trees: trees of the arms, in the same order.
        radius: radius report of the main arm (of its images alone if it has no proxies).
        images: number of test images.
        classes: number of test classes.
        best: of the controls and the main arm, the best validation where it was not the last epoch.
        steps: that the main arm was planned for; None in results of earlier versions.
    """

    rows: tuple[Row, ...]
    trees: tuple[TreeRow, ...]
    radius: RadiusReport
    images: int
    classes: int
    best: tuple[Row, ...] = ()
    steps: int | None = None

    @property
    def main_best(self) -> Row | None:
        """The best epoch of the main arm, where it was not the last."""
        return next((row for row in self.best if row.title.startswith(f"{self.rows[-1].title} (best ")), None)


def save_arm(folder: Path, result: ArmResult) -> None:
    """Write `arm.json`, which marks the arm as finished."""
    write_record(folder / "arm.json", result)


def load_arm(folder: Path) -> ArmResult | None:
    """Result of a finished arm, or None.

    Raises:
        DataError: `arm.json` is damaged.
    """
    return read_record(folder / "arm.json", ArmResult)


def save_result(folder: Path, result: RunResult) -> None:
    """Write `results.json`."""
    write_record(folder / "results.json", result)


def load_result(folder: Path) -> RunResult | None:
    """Result of a finished run, or None.

    Raises:
        DataError: `results.json` is damaged.
    """
    return read_record(folder / "results.json", RunResult)
