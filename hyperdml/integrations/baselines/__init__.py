"""Published losses to compare with, each faithful to its paper."""

from hyperdml.integrations.baselines.hierarchical_triplet_loss import HierarchicalTripletLoss
from hyperdml.integrations.baselines.hyp_loss import HypLoss

__all__ = ["HierarchicalTripletLoss", "HypLoss"]
