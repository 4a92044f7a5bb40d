"""Data: the bundled emoji set, folders of images, class-disjoint splits, samplers and transforms."""

from hyperdml.data.image_data import ImageData
from hyperdml.data.sampler import ClassBatchSampler
from hyperdml.data.splits import DataConfig, RetrievalSplits, load_splits
from hyperdml.data.transforms import AugmentConfig, to_input

__all__ = [
    "AugmentConfig",
    "ClassBatchSampler",
    "DataConfig",
    "ImageData",
    "RetrievalSplits",
    "load_splits",
    "to_input",
]
