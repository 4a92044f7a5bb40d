"""What is to be said of one classification over a taxonomy: figures, scores of single samples, curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from hyperdml.metrics.taxonomic.calibration import Reliability, reliability
from hyperdml.metrics.taxonomic.levels import TaxonomyLevels
from hyperdml.metrics.taxonomic.node_sets import NodeSetScores, node_set_scores
from hyperdml.metrics.taxonomic.options import ReportOptions
from hyperdml.metrics.taxonomic.per_class import PerClassAccuracy, class_means
from hyperdml.metrics.taxonomic.predictions import Predictions
from hyperdml.metrics.taxonomic.risk_coverage import RiskCoverage, risk_coverage
from hyperdml.metrics.taxonomic.scores import sample_scores
from hyperdml.metrics.taxonomic.text import report_lines
from hyperdml.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """Scores of classified samples; see `classification_report`.

    Figures, in this order, each a mean of `per_sample` unless said otherwise:

    - "top<k>": the label is among the k leaves of largest logit. Samples labelled with a leaf.
    - "accuracy/<level>": the node predicted at the level is the label's. A leaf that ends higher stands for itself;
      samples whose label is an inner node above the level are left out.
    - "hP", "hR", "hF1": set-based precision, recall and F1 of the likeliest leaf, of sums over samples (micro), and
      "hP/macro", "hR/macro", "hF1/macro"; see `node_set_scores`.
    - "mistake_severity": mean cost of the likeliest leaf over the samples where it is wrong; 0 if nothing is. Alone it
      improves with more errors that are easy (Karthik et al., ICLR 2021): read it beside top1 and the next.
    - "hierarchical_distance@<k>": mean cost of the k likeliest leaves, right ones included.
    - "AHC": average hierarchical cost of the likeliest leaf, the same as hierarchical_distance@1.
    - "consistency": share of samples whose predictions at the levels all lie above the likeliest leaf, so that in a
      tree they form a path. (Others report one minus this.)
    - "nll": mean of ``-log q~`` of the label, cross-entropy where it is a leaf.
    - "ece/<level>": expected calibration error of the level's predictions; not a mean over samples.
    - "correctness_specificity_auc": area of `risk_coverage`; not a mean over samples.

    k beyond the number of leaves is all leaves. A figure is absent if no sample has that score, which takes labels at
    inner nodes.

    Attributes:
        predictions: what the logits predict for the samples with a label.
        taxonomy: of the classes.
        options: what was asked for.
        levels: levels of the taxonomy.
    """

    predictions: Predictions
    taxonomy: Taxonomy
    options: ReportOptions
    levels: TaxonomyLevels

    @property
    def samples(self) -> int:
        """Number of samples with a label."""
        return len(self.predictions.labels)

    @cached_property
    def _sets(self) -> NodeSetScores:
        return node_set_scores(self.predictions.top[:, 0], self.predictions.labels, self.taxonomy)

    @cached_property
    def _samples(self) -> dict[str, Tensor]:
        return sample_scores(self.predictions, self._sets, self.taxonomy, self.levels, self.options)

    def per_sample(self) -> dict[str, Tensor]:
        """Figure to (samples,) float64 scores, NaN where a sample has none: for `bootstrap_interval` and differences.

        The severity of what is right is NaN.
        """
        return dict(self._samples)

    def figures(self) -> dict[str, float]:
        """The figures by name, as listed above."""
        found = {name: float(values.nanmean()) for name, values in self._samples.items()}
        if np.isnan(found["mistake_severity"]) and not np.isnan(found["AHC"]):
            found["mistake_severity"] = 0.0
        micro = dict(zip(("hP", "hR", "hF1"), self._sets.micro(), strict=True))
        out: dict[str, float] = {}
        for name, value in found.items():
            out |= micro if name == "hP/macro" else {}
            out[name] = value
        for level, right in zip(self.levels.names, self._level_hits, strict=True):
            out[f"ece/{level}"] = self.reliability(level).error if not right.isnan().all() else np.nan
        out["correctness_specificity_auc"] = self.risk_coverage().area
        return {name: value for name, value in out.items() if not np.isnan(value)}

    @property
    def _level_hits(self) -> list[Tensor]:
        return [self._samples[f"accuracy/{name}"] for name in self.levels.names]

    def reliability(self, level: int | str) -> Reliability:
        """Reliability diagram of the predictions at a level, on the aggregated probabilities.

        Args:
            level: depth or name.

        Raises:
            ValueError: there is no such level, or no label reaches down to it.
        """
        at = self.levels.index(level)
        confidence = self.predictions.level_log_prob[:, at].exp().clamp_max(1)
        return reliability(confidence, self._level_hits[at], self.options.bins, self.options.binning)

    def risk_coverage(self, confidences: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)) -> RiskCoverage:
        """Correctness and specificity of ``decide(rule="confidence")``; see `risk_coverage`.

        Raises:
            ValueError: a confidence is not above 0 and at most 1.
        """
        found = self.predictions
        return risk_coverage(
            found.depth_node, found.depth_log_prob, found.top[:, 0], found.labels, self.taxonomy, confidences
        )

    def per_class_accuracy(self, level: int | str) -> PerClassAccuracy:
        """Accuracy of every node of a level.

        Args:
            level: depth or name.

        Raises:
            ValueError: there is no such level.
        """
        at = self.levels.index(level)
        nodes = self.levels.nodes(self.taxonomy, at)
        return class_means(self._level_hits[at], self.predictions.labels, nodes, self.taxonomy, self.levels.names[at])

    def lines(self) -> list[str]:
        """The report in plain words, a few figures a line."""
        return report_lines(self.figures(), self.levels.names, self.samples, self.risk_coverage((0.5, 0.9)))
