"""The contracts that hyperdml keeps, as checks of your own distance, hierarchical loss or nearest-neighbour search."""

from hyperdml.testing.contract import ContractError, Violation
from hyperdml.testing.distance import check_distance
from hyperdml.testing.knn import check_knn
from hyperdml.testing.loss import check_hierarchical_loss

__all__ = ["ContractError", "Violation", "check_distance", "check_hierarchical_loss", "check_knn"]
