"""What a classification run found."""

from __future__ import annotations

from dataclasses import dataclass

from hyperdml.training.records import Row


@dataclass(frozen=True)
class ClassifyResult:
    """What a run found on the evaluated part.

    Attributes:
        rows: controls, then the main arm; figures under the names of `hyperdml.metrics`' classification report.
        images: number of evaluated images.
        leaves: number of classes.
        nodes: number of nodes of the taxonomy.
        part: the evaluated part, "test" or "validation".
    """

    rows: tuple[Row, ...]
    images: int
    leaves: int
    nodes: int
    part: str
