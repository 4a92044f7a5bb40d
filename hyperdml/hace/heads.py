"""Linear layer whose outputs are the nodes of a taxonomy."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hyperdml.hace.aggregation import Aggregation, Head
from hyperdml.hier.meaning import KeepsMeaning
from hyperdml.taxonomy import Taxonomy


class TaxonomyHead(KeepsMeaning):
    """``logits = W x + b`` with a row of W for every node, or for every leaf.

    The state holds W, b and the hash of the taxonomy: loaded under another taxonomy it is refused, since its rows would
    belong to other names.

    Args:
        in_features: width of the features.
        taxonomy: tree, forest or DAG.
        head: "all_nodes", or "leaves"; the losses take the same argument.
        bias: whether there is a b.

    Attributes:
        names: name of every output.
        linear: the layer.

    Raises:
        ValueError: head is not valid.

    Example:
        >>> from hyperdml.taxonomy import Taxonomy
        >>> head = TaxonomyHead(8, Taxonomy.from_edges([("bird", "wren"), ("bird", "finch")]))
        >>> head.names, head(torch.zeros(4, 8)).shape
        (('wren', 'finch', 'bird'), torch.Size([4, 3]))
    """

    def __init__(self, in_features: int, taxonomy: Taxonomy, head: Head = "all_nodes", bias: bool = True) -> None:
        super().__init__()
        self.taxonomy = taxonomy
        self.aggregation = Aggregation(taxonomy, head)
        self.names = taxonomy.names[: self.aggregation.width]
        self.linear = nn.Linear(in_features, len(self.names), bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, in_features) features to (B, N) or (B, C) logits."""
        logits: Tensor = self.linear(features)
        return logits

    def log_prob(self, features: Tensor) -> Tensor:
        """(B, N) log-probabilities at or below every node, in the order of `taxonomy.names`."""
        log_prob: Tensor = self.aggregation(self(features))
        return log_prob

    def meaning(self) -> dict[str, Any]:
        """What the rows of W mean."""
        return {"taxonomy": self.taxonomy.hash, "head": self.aggregation.head}
