"""Data sets for classification over a taxonomy: images with leaf labels, to train on and to evaluate on."""

from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.load import load_classification
from hyperdml.data.classification.splits import ClassificationSplits

__all__ = ["ClassificationDataConfig", "ClassificationSplits", "load_classification"]
