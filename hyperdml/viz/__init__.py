"""Pictures of the learned space."""

from hyperdml.viz.disk import DiskPicture, draw_disk
from hyperdml.viz.layout import disk_layout, geodesic

__all__ = ["DiskPicture", "disk_layout", "draw_disk", "geodesic"]
