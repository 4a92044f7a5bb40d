"""Data: bundled emoji, folders, releases with a taxonomy, splits, samplers, transforms, stored embeddings.

The names below are loaded when they are first used: the processes that only read images start without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperdml.data.classification import ClassificationDataConfig as ClassificationDataConfig
    from hyperdml.data.classification import ClassificationSplits as ClassificationSplits
    from hyperdml.data.classification import load_classification as load_classification
    from hyperdml.data.embedding_set import EmbeddingSet as EmbeddingSet
    from hyperdml.data.image_batches import ImageBatches as ImageBatches
    from hyperdml.data.image_files import Broken as Broken
    from hyperdml.data.image_files import list_images as list_images
    from hyperdml.data.image_files import read_full as read_full
    from hyperdml.data.image_files import read_image as read_image
    from hyperdml.data.image_stream import ImageStream as ImageStream
    from hyperdml.data.labelled_images import ArrayImages as ArrayImages
    from hyperdml.data.labelled_images import FileImages as FileImages
    from hyperdml.data.labelled_images import LabelledImages as LabelledImages
    from hyperdml.data.retrieval import DataConfig as DataConfig
    from hyperdml.data.retrieval import RetrievalPart as RetrievalPart
    from hyperdml.data.retrieval import RetrievalSplits as RetrievalSplits
    from hyperdml.data.retrieval import load_splits as load_splits
    from hyperdml.data.sampling import Sampler as Sampler
    from hyperdml.data.sampling import create_sampler as create_sampler
    from hyperdml.data.transforms import AugmentConfig as AugmentConfig
    from hyperdml.data.transforms import to_input as to_input
    from hyperdml.data.views import CropConfig as CropConfig

_HOMES = {
    "ArrayImages": "hyperdml.data.labelled_images",
    "AugmentConfig": "hyperdml.data.transforms",
    "Broken": "hyperdml.data.image_files",
    "ClassificationDataConfig": "hyperdml.data.classification",
    "ClassificationSplits": "hyperdml.data.classification",
    "CropConfig": "hyperdml.data.views",
    "DataConfig": "hyperdml.data.retrieval",
    "EmbeddingSet": "hyperdml.data.embedding_set",
    "FileImages": "hyperdml.data.labelled_images",
    "ImageBatches": "hyperdml.data.image_batches",
    "ImageStream": "hyperdml.data.image_stream",
    "LabelledImages": "hyperdml.data.labelled_images",
    "RetrievalPart": "hyperdml.data.retrieval",
    "RetrievalSplits": "hyperdml.data.retrieval",
    "Sampler": "hyperdml.data.sampling",
    "create_sampler": "hyperdml.data.sampling",
    "list_images": "hyperdml.data.image_files",
    "load_classification": "hyperdml.data.classification",
    "load_splits": "hyperdml.data.retrieval",
    "read_full": "hyperdml.data.image_files",
    "read_image": "hyperdml.data.image_files",
    "to_input": "hyperdml.data.transforms",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperdml.data' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
