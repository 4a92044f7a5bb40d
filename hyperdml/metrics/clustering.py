"""NMI and AMI of k-means clusters with the labels, each space clustered by its own distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.hier.spaces import Euclidean, Hyperbolic, Space, Spherical
from hyperdml.metrics.labels import Labels, point_labels
from hyperdml.metrics.partition import adjusted_mutual_information, normalized_mutual_information
from hyperdml.neighbors import make_knn

_ROUNDS = 20  # of assignment and update at most, as in pytorch-metric-learning
_SEEDING_ROUNDS = 256  # at least, so that few of the centres are drawn at once
_BLOCK = 8_000_000  # costs at once, 64 MB in float64


@dataclass(frozen=True)
class ClusteringScores:
    """How far clusters and labels tell the same.

    Attributes:
        nmi: normalised mutual information (arithmetic mean of the entropies), in [0, 1].
        ami: adjusted mutual information: 0 is what random clusters of the same sizes give, 1 equality.
    """

    nmi: float
    ami: float


def clustering_scores(
    embeddings: Tensor, labels: Labels, c: float | None = None, metric: str = "hyperbolic", *, seed: int = 0
) -> ClusteringScores:
    """NMI and AMI of k-means with as many clusters as there are labels.

    See `kmeans` for the clustering. pytorch-metric-learning clusters Euclidean coordinates whatever the distance of the
    model. NMI grows with the number of clusters also for random ones, so AMI is the one to compare data sets by.

    Args:
        embeddings: (N, d) points.
        labels: (N,) integer labels.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        seed: of the first centres.

    Returns:
        The two scores.

    Raises:
        ValueError: labels do not fit; c is missing; or points are not finite or do not belong to the space.
    """
    own = point_labels(labels, embeddings, "labels").cpu()
    clusters = kmeans(embeddings, len(own.unique()), c, metric, seed=seed).cpu()
    return ClusteringScores(normalized_mutual_information(own, clusters), adjusted_mutual_information(own, clusters))


@torch.no_grad()
def kmeans(points: Tensor, k: int, c: float | None = None, metric: str = "hyperbolic", *, seed: int = 0) -> Tensor:
    """k-means in the space of a metric: exact nearest centres, and centres that minimise the cost of their members.

    | metric | cost of a point x with centre m | centre |
    |---|---|---|
    | "hyperbolic" | ``2 (cosh(sqrt(c) d(x, m)) - 1) / c`` (Law et al., ICML 2019) | Lorentz centroid |
    | "cosine" | ``2 - 2 cos`` | mean direction (spherical k-means) |
    | "euclidean" | ``|x - m|^2`` | mean |

    First centres by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007): of 2 + log k points, drawn with probability
    proportional to their cost so far, the one that lowers the sum of costs most; at most k / 256 centres at a time. A
    centre without members moves to the point of largest cost. Ends when no point changes its cluster, or after 20
    rounds.

    Args:
        points: (N, d) points.
        k: number of clusters.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        seed: of the first centres.

    Returns:
        (N,) int64 clusters; fewer than k of them only where there are fewer different points.

    Raises:
        ValueError: k is not between 1 and N; or what `hyperdml.neighbors.ExactKNN` raises.
    """
    if not 1 <= k <= len(points):
        raise ValueError(f"k-means needs 1 <= k <= {len(points)}, the number of points, got k={k}")
    lloyd = _Lloyd(points, c, metric)
    centres = lloyd.first_centres(k, torch.Generator().manual_seed(seed))
    previous = None
    for _ in range(_ROUNDS):
        cost, cluster = lloyd.nearest(centres)
        used, cluster = cluster.unique(return_inverse=True)
        if previous is not None and torch.equal(cluster, previous):
            break
        previous = cluster
        centres = lloyd.space.centroids(lloyd.points, cluster, len(used))
        centres = torch.cat([centres, lloyd.points[cost.topk(k - len(used)).indices]])
    return cluster


class _Lloyd:
    """Points with what k-means needs to know of their space. Costs are up to a factor of the space."""

    def __init__(self, points: Tensor, c: float | None, metric: str) -> None:
        knn, points = make_knn(metric, c), points.detach()
        knn(points, 1, points[:1])  # the checks of the points, before any work
        self.space: Space = Euclidean()
        if metric == "hyperbolic" and c is not None:
            self.space = Hyperbolic(c, 1.0)
        elif metric == "cosine":
            # on unit vectors |x - m| orders unit centres as the cosine does, and allows a mean direction of zero
            knn, self.space, points = make_knn("euclidean"), Spherical(), Spherical().points(points)
        self.points, self.knn = points, knn
        self.lifts = knn.space.lift_query(points.double())
        self.best = knn.space.score(torch.zeros_like(self.lifts[:, 0]), points.double())

    def nearest(self, centres: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) cost of every point and (N,) index of its centre."""
        distance, index = self.knn(self.points, 1, centres)
        score = self.knn.space.score(distance[:, 0].double(), self.points.double())
        return self.best - score, index[:, 0]

    def first_centres(self, k: int, generator: torch.Generator) -> Tensor:
        """(k, d) points, far from one another."""
        trials = 2 + int(math.log(k))
        step = max(1, min(-(-k // _SEEDING_ROUNDS), _BLOCK // (trials * len(self.points))))
        chosen = self._draw(torch.ones_like(self.best), 1, generator)
        cost = self._costs(chosen)[0].clamp_min(0)
        while len(chosen) < k:
            count = min(step, k - len(chosen))
            drawn = self._draw(cost, min(count * trials, len(cost)), generator)
            costs = self._costs(drawn)
            torch.minimum(costs, cost, out=costs)
            best = costs.sum(1).topk(count, largest=False).indices
            chosen, cost = torch.cat([chosen, drawn[best]]), costs[best].amin(0).clamp_min(0)
        return self.points[chosen]

    def _draw(self, weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Rows drawn without replacement by weight; those of weight 0 come last."""
        u = torch.rand(len(weights), generator=generator, dtype=torch.float64).to(weights.device)
        # the largest of u^(1/w), in the logarithm (Efraimidis and Spirakis, 2006)
        return (u.log() / weights).topk(count).indices

    def _costs(self, rows: Tensor) -> Tensor:
        """(n, N) cost of every point with n of them as its centre; 0 may come out negative by rounding."""
        centres = self.knn.space.lift_reference(self.points[rows].double())
        return torch.addmm(self.best, centres, self.lifts.T, alpha=-1)
