"""Searchable sets of points with ids: changed, stored, loaded, and exported to vector databases."""

from hyperdml.index.export import export_index, rerank_exact
from hyperdml.index.folder import is_index
from hyperdml.index.index import HyperbolicIndex, SearchResult

__all__ = ["HyperbolicIndex", "SearchResult", "export_index", "is_index", "rerank_exact"]
