"""Scores: retrieval, graded retrieval over a hierarchy of labels, trees, and where the radii lie."""

from hyperdml.metrics.dendrogram import dendrogram_purity
from hyperdml.metrics.graded import (
    GradedReport,
    graded_report,
    hierarchical_average_precision,
    level_map_at_r,
)
from hyperdml.metrics.radius import radius_report
from hyperdml.metrics.radius_result import RadiusReport
from hyperdml.metrics.result import RetrievalResult, retrieve
from hyperdml.metrics.retrieval import (
    RetrievalReport,
    level_recall_at_1,
    map_at_r,
    recall_at_k,
    retrieval_report,
)

__all__ = [
    "GradedReport",
    "RadiusReport",
    "RetrievalReport",
    "RetrievalResult",
    "dendrogram_purity",
    "graded_report",
    "hierarchical_average_precision",
    "level_map_at_r",
    "level_recall_at_1",
    "map_at_r",
    "radius_report",
    "recall_at_k",
    "retrieval_report",
    "retrieve",
]
