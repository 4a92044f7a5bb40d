"""A report as blocks, and the page that they make."""

from hyperdml.viz.report.blocks import (
    Block,
    Bullets,
    Chart,
    Charts,
    Code,
    Commands,
    Document,
    Fold,
    Kind,
    Line,
    Paragraph,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
)
from hyperdml.viz.report.image_uri import file_uri, pixels_uri
from hyperdml.viz.report.page import report_page

__all__ = [
    "Block",
    "Bullets",
    "Chart",
    "Charts",
    "Code",
    "Commands",
    "Document",
    "Fold",
    "Kind",
    "Line",
    "Paragraph",
    "Picture",
    "Section",
    "Table",
    "Tile",
    "Tiles",
    "file_uri",
    "pixels_uri",
    "report_page",
]
