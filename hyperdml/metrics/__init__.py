"""Scores: retrieval, graded retrieval over a hierarchy of labels, classification over a taxonomy, trees, radii."""

from hyperdml.metrics.accumulate import Accumulator
from hyperdml.metrics.bootstrap import Interval, bootstrap_interval
from hyperdml.metrics.clustering import ClusteringScores, clustering_scores
from hyperdml.metrics.graded.average_precision import (
    GradedReport,
    graded_report,
    hierarchical_average_precision,
    level_average_precision,
    level_map_at_r,
)
from hyperdml.metrics.graded.hierarchical_precision import (
    average_hierarchical_precision,
    hierarchical_precision_at_k,
    hp_scores,
)
from hyperdml.metrics.graded.lca_height import ErrorHeights, lca_height_of_errors, lca_heights, nearest_costs
from hyperdml.metrics.graded.level_recall import level_first_ranks, level_recall_at_k
from hyperdml.metrics.graded.ndcg import ndcg, ndcg_scores
from hyperdml.metrics.graded.scores import GradedScores, graded_scores
from hyperdml.metrics.graded.set_intersection import asi, asi_scores
from hyperdml.metrics.graded.shared_levels import SharedLevels
from hyperdml.metrics.ranks.first_positive import first_positive_rank
from hyperdml.metrics.report import EvaluationReport, evaluation_report
from hyperdml.metrics.retrieval.precision import precision_at_k, r_precision
from hyperdml.metrics.retrieval.recall import (
    RetrievalReport,
    map_at_r,
    recall_at_k,
    retrieval_report,
)
from hyperdml.metrics.retrieval.result import RetrievalResult, retrieve, retrieve_each
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision, mean_reciprocal_rank
from hyperdml.metrics.taxonomic.accumulator import ClassificationAccumulator
from hyperdml.metrics.taxonomic.calibration import Reliability, reliability
from hyperdml.metrics.taxonomic.classification import ClassificationReport
from hyperdml.metrics.taxonomic.costs import prediction_costs
from hyperdml.metrics.taxonomic.node_sets import NodeSetScores, node_set_scores
from hyperdml.metrics.taxonomic.per_class import PerClassAccuracy
from hyperdml.metrics.taxonomic.report import classification_report, per_class_accuracy
from hyperdml.metrics.taxonomic.risk_coverage import RiskCoverage
from hyperdml.metrics.trees.best_match import best_match_f1
from hyperdml.metrics.trees.cophenetic import cophenetic_correlation
from hyperdml.metrics.trees.dasgupta import dasgupta_cost
from hyperdml.metrics.trees.dendrogram import dendrogram_purity
from hyperdml.metrics.trees.gromov import gromov_delta
from hyperdml.metrics.trees.radius import radius_report
from hyperdml.metrics.trees.radius_result import RadiusReport
from hyperdml.metrics.trees.robinson_foulds import robinson_foulds
from hyperdml.metrics.trees.tree_scores import GrownTree, tree_scores
from hyperdml.metrics.trees.tree_scores_result import FigureRow, NullRow, TreeScores
from hyperdml.metrics.trees.triplets import triplet_accuracy

__all__ = [
    "Accumulator",
    "ClassificationAccumulator",
    "ClassificationReport",
    "ClusteringScores",
    "ErrorHeights",
    "EvaluationReport",
    "FigureRow",
    "GradedReport",
    "GradedScores",
    "GrownTree",
    "Interval",
    "NodeSetScores",
    "NullRow",
    "PerClassAccuracy",
    "RadiusReport",
    "Reliability",
    "RetrievalReport",
    "RetrievalResult",
    "RiskCoverage",
    "SharedLevels",
    "TreeScores",
    "asi",
    "asi_scores",
    "average_hierarchical_precision",
    "best_match_f1",
    "bootstrap_interval",
    "classification_report",
    "clustering_scores",
    "cophenetic_correlation",
    "dasgupta_cost",
    "dendrogram_purity",
    "evaluation_report",
    "first_positive_rank",
    "graded_report",
    "graded_scores",
    "gromov_delta",
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
    "node_set_scores",
    "per_class_accuracy",
    "precision_at_k",
    "prediction_costs",
    "r_precision",
    "radius_report",
    "recall_at_k",
    "reliability",
    "retrieval_report",
    "retrieve",
    "retrieve_each",
    "robinson_foulds",
    "tree_scores",
    "triplet_accuracy",
]
