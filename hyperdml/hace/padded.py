"""Ragged rows of constants for the labels of a batch, in one rectangle of fixed height."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.hace.fixed import Constants
from hyperdml.taxonomy import CSR


class PaddedRows(Constants):
    """Where the values of rows stand, as deep as the longest row: shapes depend on no label.

    Args:
        rows: R rows.
    """

    offsets: Tensor

    def __init__(self, rows: CSR) -> None:
        super().__init__()
        self.depth = max(int(rows.counts.max(initial=0)), 1)
        self.size = len(rows.values)
        self.keep("offsets", rows.offsets)

    def forward(self, index: Tensor) -> Tensor:
        """(K, B) places of the values of B rows, `size` where a row has ended."""
        place = self.offsets[index] + torch.arange(self.depth, device=index.device)[:, None]
        return torch.where(place < self.offsets[index + 1], place, self.size)
