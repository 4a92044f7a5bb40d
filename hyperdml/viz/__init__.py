"""Pictures of the learned space, and the page of search results."""

from hyperdml.viz.disk import DiskPicture, draw_disk
from hyperdml.viz.layout import disk_layout, geodesic
from hyperdml.viz.search_page import ShownItem, search_page

__all__ = ["DiskPicture", "ShownItem", "disk_layout", "draw_disk", "geodesic", "search_page"]
