"""Data: the bundled emoji set, folders of images, class-disjoint splits, samplers, transforms, stored embeddings."""

from hyperdml.data.embedding_set import EmbeddingSet
from hyperdml.data.image_data import ImageData
from hyperdml.data.image_files import Broken, list_images, read_image
from hyperdml.data.sampler import ClassBatchSampler
from hyperdml.data.splits import DataConfig, RetrievalSplits, load_splits
from hyperdml.data.transforms import AugmentConfig, to_input

__all__ = [
    "AugmentConfig",
    "Broken",
    "ClassBatchSampler",
    "DataConfig",
    "EmbeddingSet",
    "ImageData",
    "RetrievalSplits",
    "list_images",
    "load_splits",
    "read_image",
    "to_input",
]
