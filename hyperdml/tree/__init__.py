"""Explicit trees, always computed in the learned space, and whether they are real."""

from hyperdml.tree.ancestors import ROOT, nearest_ancestors
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.extract import extract_tree
from hyperdml.tree.hierarchy import Hierarchy, hierarchy_of
from hyperdml.tree.known_classes import KnownClasses, known_classes
from hyperdml.tree.proxy_tree import ProxyTree, proxy_tree
from hyperdml.tree.report import ProxyTreeReport, proxy_tree_report

__all__ = [
    "ROOT",
    "Dendrogram",
    "Hierarchy",
    "KnownClasses",
    "ProxyTree",
    "ProxyTreeReport",
    "extract_tree",
    "hierarchy_of",
    "known_classes",
    "nearest_ancestors",
    "proxy_tree",
    "proxy_tree_report",
]
