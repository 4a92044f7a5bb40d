"""The interactive explorer: one self-contained page."""

from hyperdml.viz.explorer.data import explorer_data
from hyperdml.viz.explorer.page import explorer_page

__all__ = ["explorer_data", "explorer_page"]
