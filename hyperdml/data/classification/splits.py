"""The two parts of a data set for classification."""

from __future__ import annotations

from dataclasses import dataclass

from hyperdml.data.labelled_images import LabelledImages
from hyperdml.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class ClassificationSplits:
    """Images to train on and images to evaluate on, of the same classes.

    Attributes:
        train: training images.
        test: the evaluated images: of the test part, or of the validation part if that was asked for.
        taxonomy: of the classes; labels of both parts are indices into its leaves.
    """

    train: LabelledImages
    test: LabelledImages
    taxonomy: Taxonomy
