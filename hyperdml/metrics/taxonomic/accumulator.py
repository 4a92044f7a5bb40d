"""The classification report over batches, of one process or several."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hyperdml.metrics.accumulate import Accumulator
from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.taxonomic.classification import ClassificationReport
from hyperdml.metrics.taxonomic.options import ReportOptions
from hyperdml.metrics.taxonomic.predictions import Predictions, predict
from hyperdml.taxonomy import Taxonomy


class ClassificationAccumulator(Accumulator):
    """`classification_report` over batches: logits are scored as they come, a few numbers a sample are kept.

    See `Accumulator` for several processes: all have to call `compute`, and all get the report of all samples.

    Args:
        taxonomy: tree, forest or DAG.
        **options: see `ReportOptions`.

    Raises:
        TypeError: there is no such option.
        ValueError: an option is not valid.

    Example:
        >>> import torch
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> scores = ClassificationAccumulator(taxonomy)
        >>> scores.update(torch.tensor([[2.0, 0.0, 0.0]]), [0])
        >>> scores.update(torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), [1, 2])
        >>> round(scores.compute().figures()["top1"], 3)
        0.667
    """

    def __init__(self, taxonomy: Taxonomy, **options: Any) -> None:
        self.taxonomy, self.options = taxonomy, ReportOptions(**options)
        self.levels = self.options.levels(taxonomy)
        super().__init__(self._report)

    def update(self, logits: Tensor, labels: Labels, *, index: Labels | None = None) -> None:  # type: ignore[override]
        """Add a batch; samples without a label are left out.

        Args:
            logits: see `classification_report`; nothing of them is kept.
            labels: (B,) indices into `taxonomy.names`, or -100.
            index: (B,) integers, the samples' numbers in the data set, by which rows are ordered and repeated ones
                dropped; with all batches or with none.

        Raises:
            ValueError: see `classification_report`, or not one index a sample. The batch is not added then.
        """
        found, rows = predict(logits, labels, self.taxonomy, self.levels, self.options)
        if index is not None:
            index = integers(index, "index")
            if index.shape != (len(logits),):
                raise ValueError(f"index must hold one integer a sample, ({len(logits)},), got {tuple(index.shape)}")
            index = index[rows]
        super().update(found.rows(), found.labels, index=index)

    def compute(self) -> ClassificationReport:
        """The report of all batches of all processes.

        Raises:
            ValueError: no batch had a sample with a label, or the batches of different processes do not fit.
        """
        report: ClassificationReport = super().compute()
        return report

    def _report(self, rows: Tensor, labels: Tensor) -> ClassificationReport:
        kept = self.options.kept(self.taxonomy)
        found = Predictions.from_rows(rows, labels, kept, len(self.levels.names), self.taxonomy.depth + 1)
        return ClassificationReport(found, self.taxonomy, self.options, self.levels)
