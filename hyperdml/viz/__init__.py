"""Pictures of the learned space, pages to explore it, and the page of search results."""

from hyperdml.viz.disk import draw_disk
from hyperdml.viz.epochs import draw_epochs
from hyperdml.viz.layouts import LinearMap, geodesic, radius_layout, tree_layout, umap_layout
from hyperdml.viz.search_page import ShownItem, search_page
from hyperdml.viz.subject import Subject

__all__ = [
    "LinearMap",
    "ShownItem",
    "Subject",
    "draw_disk",
    "draw_epochs",
    "geodesic",
    "radius_layout",
    "search_page",
    "tree_layout",
    "umap_layout",
]
