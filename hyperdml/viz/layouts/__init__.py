"""Where things stand in the Poincaré disk: layouts of trees and of points, as complex numbers of modulus below 1."""

from typing import Literal

from hyperdml.viz.layouts.align import align, centred
from hyperdml.viz.layouts.geodesics import geodesic
from hyperdml.viz.layouts.linear_map import LinearMap
from hyperdml.viz.layouts.radius_layout import radius_layout
from hyperdml.viz.layouts.tree_layout import tree_layout
from hyperdml.viz.layouts.umap_layout import umap_layout

Layout = Literal["tree", "radius", "umap", "tangent-pca", "horospherical"]
LAYOUTS: tuple[Layout, ...] = ("tree", "radius", "umap", "tangent-pca", "horospherical")

__all__ = [
    "LAYOUTS",
    "Layout",
    "LinearMap",
    "align",
    "centred",
    "geodesic",
    "radius_layout",
    "tree_layout",
    "umap_layout",
]
