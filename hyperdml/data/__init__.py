"""Data: bundled emoji, folders, releases with a taxonomy, splits, samplers, transforms, stored embeddings."""

from hyperdml.data.classification import ClassificationDataConfig, ClassificationSplits, load_classification
from hyperdml.data.embedding_set import EmbeddingSet
from hyperdml.data.image_batches import ImageBatches
from hyperdml.data.image_files import Broken, list_images, read_full, read_image
from hyperdml.data.image_stream import ImageStream
from hyperdml.data.labelled_images import ArrayImages, FileImages, LabelledImages
from hyperdml.data.retrieval import DataConfig, RetrievalPart, RetrievalSplits, load_splits
from hyperdml.data.sampling import Sampler, create_sampler
from hyperdml.data.transforms import AugmentConfig, to_input
from hyperdml.data.views import CropConfig

__all__ = [
    "ArrayImages",
    "AugmentConfig",
    "Broken",
    "ClassificationDataConfig",
    "ClassificationSplits",
    "CropConfig",
    "DataConfig",
    "EmbeddingSet",
    "FileImages",
    "ImageBatches",
    "ImageStream",
    "LabelledImages",
    "RetrievalPart",
    "RetrievalSplits",
    "Sampler",
    "create_sampler",
    "list_images",
    "load_classification",
    "load_splits",
    "read_full",
    "read_image",
    "to_input",
]
