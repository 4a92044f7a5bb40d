"""The one place that imports pytorch-metric-learning: HIER and the Poincaré distance inside it, losses by name."""

from hyperdml.integrations.baselines import HierarchicalTripletLoss, HypLoss
from hyperdml.integrations.class_weights import parametrize_on_ball
from hyperdml.integrations.cross_batch_memory import CrossBatchMemory
from hyperdml.integrations.gathered_loss import GatheredLoss
from hyperdml.integrations.hier_loss import HIERLoss
from hyperdml.integrations.hier_regularizer import HIERRegularizer
from hyperdml.integrations.metric_loss import class_tree_loss, create_metric_loss
from hyperdml.integrations.poincare_distance import PoincareDistance
from hyperdml.integrations.reciprocal_miner import ReciprocalNeighborMiner
from hyperdml.integrations.with_hier import WithHIER, with_hier

__all__ = [
    "CrossBatchMemory",
    "GatheredLoss",
    "HIERLoss",
    "HIERRegularizer",
    "HierarchicalTripletLoss",
    "HypLoss",
    "PoincareDistance",
    "ReciprocalNeighborMiner",
    "WithHIER",
    "class_tree_loss",
    "create_metric_loss",
    "parametrize_on_ball",
    "with_hier",
]
