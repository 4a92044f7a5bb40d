"""From logits to the report, at once."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hyperdml.metrics.labels import Labels
from hyperdml.metrics.taxonomic.classification import ClassificationReport
from hyperdml.metrics.taxonomic.options import ReportOptions
from hyperdml.metrics.taxonomic.per_class import PerClassAccuracy
from hyperdml.metrics.taxonomic.predictions import predict
from hyperdml.taxonomy import Taxonomy


def classification_report(logits: Tensor, labels: Labels, taxonomy: Taxonomy, **options: Any) -> ClassificationReport:
    """Scores of a classification over a taxonomy; `ClassificationReport` says which and how each is defined.

    The predicted leaf is the one of largest logit, the predicted node of a level the one of largest aggregated
    probability q~ (`hyperdml.hace.aggregated_log_prob`). Besides the logits, memory for a block of them is needed and
    some tens of numbers a sample.

    Args:
        logits: (B, N) of all nodes or (B, C) of the leaves, of any floating type, on any device.
        labels: (B,) indices into `taxonomy.names`, so those of leaves are class labels; -100 where a label is unknown,
            and the sample is left out.
        taxonomy: tree, forest or DAG.
        **options: see `ReportOptions`.

    Raises:
        ValueError: shapes do not fit, a label is not a node, logits are NaN or infinite, no sample has a label, or an
            option is not valid; the message names row or option.
        TypeError: there is no such option.

    Example:
        >>> import torch
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 1.0, 0.0]])  # wren, wren
        >>> report = classification_report(logits, [0, 1], taxonomy, level_names=("class", "species"))
        >>> figures = report.figures()
        >>> [figures[name] for name in ("top1", "accuracy/class", "accuracy/species", "hF1", "mistake_severity")]
        [0.5, 1.0, 0.5, 0.75, 1.0]
        >>> report.per_sample()["AHC"].tolist()
        [0.0, 1.0]
    """
    asked = ReportOptions(**options)
    levels = asked.levels(taxonomy)
    found, _ = predict(logits, labels, taxonomy, levels, asked)
    if len(found.labels) == 0:
        raise ValueError(f"there is nothing to score: none of {len(logits)} samples has a label")
    return ClassificationReport(found, taxonomy, asked, levels)


def per_class_accuracy(
    logits: Tensor, labels: Labels, taxonomy: Taxonomy, level: int | str, **options: Any
) -> PerClassAccuracy:
    """Accuracy of every node of one level: ``classification_report(...).per_class_accuracy(level)``.

    Args:
        logits: see `classification_report`.
        labels: see `classification_report`.
        taxonomy: tree, forest or DAG.
        level: depth, or name if `level_names` are given.
        **options: see `ReportOptions`.

    Raises:
        ValueError: see `classification_report`, or there is no such level.

    Example:
        >>> import torch
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> found = per_class_accuracy(torch.tensor([[2.0, 0.0, 0.0], [2.0, 1.0, 0.0]]), [0, 1], taxonomy, level=1)
        >>> found.names, found.accuracy.tolist(), found.count.tolist()
        (('eel', 'bird'), [nan, 1.0], [0, 2])
    """
    return classification_report(logits, labels, taxonomy, **options).per_class_accuracy(level)
