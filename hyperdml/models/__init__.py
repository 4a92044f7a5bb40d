"""Models: a timm backbone and a head, in the Poincaré ball or over a taxonomy; features of frozen backbones."""

from hyperdml.models.backbone import create_backbone
from hyperdml.models.classifier import Classifier
from hyperdml.models.classifier_backbone import ClassifierConfig
from hyperdml.models.embed import Embedded, embed_images
from hyperdml.models.embed_folder import FolderEmbeddings, embed_folder
from hyperdml.models.embedding_model import EmbeddingModel
from hyperdml.models.export import ExportReport, export_model
from hyperdml.models.feature_bank import feature_bank
from hyperdml.models.head import EmbeddingHead, HeadConfig
from hyperdml.models.model_card import model_card
from hyperdml.models.model_config import ModelConfig
from hyperdml.models.model_hash import model_hash
from hyperdml.models.presets import PRESETS, Preset

__all__ = [
    "PRESETS",
    "Classifier",
    "ClassifierConfig",
    "Embedded",
    "EmbeddingHead",
    "EmbeddingModel",
    "ExportReport",
    "FolderEmbeddings",
    "HeadConfig",
    "ModelConfig",
    "Preset",
    "create_backbone",
    "embed_folder",
    "embed_images",
    "export_model",
    "feature_bank",
    "model_card",
    "model_hash",
]
