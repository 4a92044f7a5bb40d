"""Scores: retrieval, and where the radii lie."""

from hyperdml.metrics.radius import RadiusReport, radius_report
from hyperdml.metrics.result import RetrievalResult, retrieve
from hyperdml.metrics.retrieval import (
    RetrievalReport,
    level_recall_at_1,
    map_at_r,
    recall_at_k,
    retrieval_report,
)

__all__ = [
    "RadiusReport",
    "RetrievalReport",
    "RetrievalResult",
    "level_recall_at_1",
    "map_at_r",
    "radius_report",
    "recall_at_k",
    "retrieval_report",
    "retrieve",
]
