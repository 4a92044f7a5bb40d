"""Scores: retrieval, graded retrieval over a hierarchy of labels, trees, and where the radii lie."""

from hyperdml.metrics.accumulate import Accumulator
from hyperdml.metrics.bootstrap import Interval, bootstrap_interval
from hyperdml.metrics.clustering import ClusteringScores, clustering_scores
from hyperdml.metrics.dendrogram import dendrogram_purity
from hyperdml.metrics.first_positive import first_positive_rank
from hyperdml.metrics.graded import (
    GradedReport,
    graded_report,
    hierarchical_average_precision,
    level_average_precision,
    level_map_at_r,
)
from hyperdml.metrics.graded_scores import GradedScores, graded_scores
from hyperdml.metrics.hierarchical_precision import (
    average_hierarchical_precision,
    hierarchical_precision_at_k,
    hp_scores,
)
from hyperdml.metrics.lca_height import ErrorHeights, lca_height_of_errors, lca_heights, nearest_costs
from hyperdml.metrics.level_recall import level_first_ranks, level_recall_at_k
from hyperdml.metrics.ndcg import ndcg, ndcg_scores
from hyperdml.metrics.precision import precision_at_k, r_precision
from hyperdml.metrics.radius import radius_report
from hyperdml.metrics.radius_result import RadiusReport
from hyperdml.metrics.report import EvaluationReport, evaluation_report
from hyperdml.metrics.result import RetrievalResult, retrieve, retrieve_each
from hyperdml.metrics.retrieval import (
    RetrievalReport,
    map_at_r,
    recall_at_k,
    retrieval_report,
)
from hyperdml.metrics.set_intersection import asi, asi_scores
from hyperdml.metrics.shared_levels import SharedLevels
from hyperdml.metrics.whole_ranking import mean_average_precision, mean_reciprocal_rank

__all__ = [
    "Accumulator",
    "ClusteringScores",
    "ErrorHeights",
    "EvaluationReport",
    "GradedReport",
    "GradedScores",
    "Interval",
    "RadiusReport",
    "RetrievalReport",
    "RetrievalResult",
    "SharedLevels",
    "asi",
    "asi_scores",
    "average_hierarchical_precision",
    "bootstrap_interval",
    "clustering_scores",
    "dendrogram_purity",
    "evaluation_report",
    "first_positive_rank",
    "graded_report",
    "graded_scores",
    "hierarchical_average_precision",
    "hierarchical_precision_at_k",
    "hp_scores",
    "lca_height_of_errors",
    "lca_heights",
    "level_average_precision",
    "level_first_ranks",
    "level_map_at_r",
    "level_recall_at_k",
    "map_at_r",
    "mean_average_precision",
    "mean_reciprocal_rank",
    "ndcg",
    "ndcg_scores",
    "nearest_costs",
    "precision_at_k",
    "r_precision",
    "radius_report",
    "recall_at_k",
    "retrieval_report",
    "retrieve",
    "retrieve_each",
]
