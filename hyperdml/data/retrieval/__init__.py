"""Data sets for retrieval: parts whose classes are disjoint, the test classes unseen in training."""

from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.load import load_splits
from hyperdml.data.retrieval.parts import RetrievalPart, RetrievalSplits

__all__ = ["DataConfig", "RetrievalPart", "RetrievalSplits", "load_splits"]
