"""What a classification report is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hyperdml.metrics.taxonomic.calibration import Binning, check_bins
from hyperdml.metrics.taxonomic.costs import Distance, cost_matrix
from hyperdml.metrics.taxonomic.levels import TaxonomyLevels, taxonomy_levels
from hyperdml.taxonomy import Taxonomy

LevelRule = Literal["mass", "leaf"]


@dataclass(frozen=True, eq=False)
class ReportOptions:
    """Options of `classification_report` and `ClassificationAccumulator`.

    Attributes:
        level_names: names of the levels, coarse to fine; see `taxonomy_levels`.
        level_rule: "mass": the prediction at a level is its node of largest aggregated probability; "leaf": the
            ancestor of the likeliest leaf, in trees and forests.
        leaf_only: leave the own mass of inner nodes out of all probabilities, as if the head had leaves alone.
        ks: the k of top-k.
        distance_ks: the k of hierarchical distance@k.
        distance: what a mistake costs; see `prediction_costs`.
        bins: of calibration errors.
        binning: see `reliability`.
        ignore_index: label of samples that are left out.
    """

    level_names: Sequence[str] | None = None
    level_rule: LevelRule = "mass"
    leaf_only: bool = False
    ks: Sequence[int] = (1, 5)
    distance_ks: Sequence[int] = (1, 5, 20)
    distance: Distance = "lca_height"
    bins: int = 15
    binning: Binning = "width"
    ignore_index: int = -100

    def levels(self, taxonomy: Taxonomy) -> TaxonomyLevels:
        """Levels of the report; checks all options against the taxonomy.

        Raises:
            ValueError: an option is not valid; the message names it.
        """
        if self.level_rule not in ("mass", "leaf"):
            raise ValueError(f"level_rule must be 'mass' or 'leaf', got {self.level_rule!r}")
        if self.level_rule == "leaf" and not taxonomy.is_forest:
            raise ValueError("level_rule='leaf' needs a tree or a forest: in a DAG a leaf has several nodes at a level")
        for name, ks in (("ks", self.ks), ("distance_ks", self.distance_ks)):
            if not isinstance(ks, Sequence) or not all(isinstance(k, int) and k >= 1 for k in ks):
                raise ValueError(f"{name} must be a sequence of whole numbers of at least 1, got {ks!r}")
        cost_matrix(self.distance, taxonomy.num_leaves)
        check_bins(self.bins, self.binning)
        return taxonomy_levels(taxonomy, self.level_names)

    def kept(self, taxonomy: Taxonomy) -> int:
        """How many of the likeliest leaves the scores need."""
        return min(max([1, *self.ks, *self.distance_ks]), taxonomy.num_leaves)
