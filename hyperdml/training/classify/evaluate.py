"""Scores of a classifier on the evaluated part, under the names of the tables."""

from __future__ import annotations

import torch

from hyperdml.metrics.taxonomic.levels import taxonomy_levels
from hyperdml.metrics.taxonomic.report import classification_report
from hyperdml.models.classifier import Classifier
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.classify.parts import Parts

_LEVELS = {
    "cifar100": ("superclass", "class"),
    "aircraft": ("manufacturer", "family", "variant"),
    "emoji": ("group", "subgroup", "emoji"),
}


def score(model: Classifier, parts: Parts) -> dict[str, float]:
    """Figures of `hyperdml.metrics.classification_report`.

    Args:
        model: the classifier, on the device of the run; left in evaluation mode.
        parts: the data.

    Raises:
        DivergedError: a logit is not finite.
    """
    splits = parts.splits
    labels = torch.from_numpy(splits.test.labels)
    names = level_names(parts.config.data.name, splits.taxonomy)
    return classification_report(parts.logits(model), labels, splits.taxonomy, level_names=names).figures()


def level_names(data: str, taxonomy: Taxonomy) -> tuple[str, ...]:
    """What the levels of a data set are called; by their depth where it has no names for them."""
    depths = taxonomy_levels(taxonomy).names
    names = _LEVELS.get(data, ())
    return names if len(names) == len(depths) else depths
