"""Models: a timm backbone and a head that ends in the Poincaré ball."""

from hyperdml.models.backbone import create_backbone
from hyperdml.models.embed import Embedded, embed_images
from hyperdml.models.embed_folder import FolderEmbeddings, embed_folder
from hyperdml.models.embedding_model import EmbeddingModel, ModelConfig
from hyperdml.models.head import EmbeddingHead, HeadConfig
from hyperdml.models.model_hash import model_hash

__all__ = [
    "Embedded",
    "EmbeddingHead",
    "EmbeddingModel",
    "FolderEmbeddings",
    "HeadConfig",
    "ModelConfig",
    "create_backbone",
    "embed_folder",
    "embed_images",
    "model_hash",
]
