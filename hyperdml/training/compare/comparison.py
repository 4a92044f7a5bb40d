"""What a comparison found: the records of all runs, and each figure summed up over seeds and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperdml.training.compare.arms import Unit
from hyperdml.training.compare.ledger import Record
from hyperdml.training.compare.paired import Floats, PairedDifference, Spread, holm, paired_difference, spread
from hyperdml.training.figures import higher_is_better


@dataclass(frozen=True)
class ArmSummary:
    """One figure of one arm.

    Seeds are the pairs. A seed's figure is the mean over all units, so units count alike and are not taken for
    independent repetitions; a seed in which a unit is missing for an arm is left out for that arm.

    Attributes:
        arm: its name.
        spread: number of complete seeds, mean and standard deviation over them.
        difference: against the baseline; None for the baseline itself.
        adjusted_p: Holm's p-value over all differences of the same table; NaN without an interval.
        unit_means: mean over seeds, by unit.
        unit_differences: mean paired difference, by unit; zeros for the baseline.
    """

    arm: str
    spread: Spread
    difference: PairedDifference | None
    adjusted_p: float
    unit_means: tuple[float, ...]
    unit_differences: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """All runs of a comparison.

    Attributes:
        arms: names of the arms.
        baseline: the one the others are compared with.
        seeds: the seeds.
        units: the units; a single empty one without pairing.
        records: one for each seed, unit and arm, the arm varying fastest, as `plan` orders them.
    """

    arms: tuple[str, ...]
    baseline: str
    seeds: tuple[int, ...]
    units: tuple[Unit, ...]
    records: tuple[Record, ...]

    @property
    def figure_names(self) -> list[str]:
        """Names of all figures that any run has, in the order of the first run that has them."""
        return list(dict.fromkeys(name for record in self.records for name in record.figures))

    @property
    def diverged(self) -> list[Record]:
        """Runs that ended without figures."""
        return [record for record in self.records if record.diverged is not None]

    def values(self, metric: str) -> Floats:
        """(A, S, U) values of a figure; NaN where a run diverged, has no such figure, or it was not finite."""
        flat = [record.figures.get(metric) for record in self.records]
        cube = np.array([np.nan if value is None else value for value in flat], dtype=np.float64)
        return cube.reshape(len(self.seeds), len(self.units), len(self.arms)).transpose(2, 0, 1)

    def seconds(self, arm: str) -> float:
        """Mean wall time of a run of an arm."""
        return float(np.mean([record.seconds for record in self.records if record.arm == arm]))

    def summaries(self, metrics: Sequence[str], confidence: float = 0.95) -> dict[str, list[ArmSummary]]:
        """Every figure of every arm, with Holm's correction over all differences.

        Args:
            metrics: names of figures.
            confidence: coverage of the intervals, each by itself.

        Returns:
            For each figure one summary an arm, in the order of the arms.
        """
        found = [self._summary(metric, arm, confidence) for metric in metrics for arm in self.arms]
        adjusted = holm([np.nan if one.difference is None else one.difference.p for one in found])
        found = [replace(one, adjusted_p=p) for one, p in zip(found, adjusted, strict=True)]
        count = len(self.arms)
        return {metric: found[i * count : (i + 1) * count] for i, metric in enumerate(metrics)}

    def _summary(self, metric: str, arm: str, confidence: float) -> ArmSummary:
        cube = self.values(metric)
        own, base = cube[self.arms.index(arm)], cube[self.arms.index(self.baseline)]
        difference = None
        if arm != self.baseline:
            difference = paired_difference(
                own.mean(1),
                base.mean(1),
                higher_is_better=higher_is_better(metric),
                confidence=confidence,
            )
        units = range(len(self.units))
        return ArmSummary(
            arm,
            spread(own.mean(1)),
            difference,
            np.nan,
            tuple(spread(own[:, unit]).mean for unit in units),
            tuple(paired_difference(own[:, unit], base[:, unit]).mean for unit in units),
        )
