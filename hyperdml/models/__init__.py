"""Models: a timm backbone and a head that ends in the Poincaré ball."""

from hyperdml.models.backbone import create_backbone
from hyperdml.models.embedding_model import EmbeddingModel, ModelConfig
from hyperdml.models.head import EmbeddingHead, HeadConfig

__all__ = ["EmbeddingHead", "EmbeddingModel", "HeadConfig", "ModelConfig", "create_backbone"]
