"""Explicit trees, always computed in the learned space, and whether they are real."""

from hyperdml.tree.ancestors import ROOT, nearest_ancestors
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.extract import extract_tree
from hyperdml.tree.proxy_tree import ProxyTree, proxy_tree
from hyperdml.tree.report import ProxyTreeReport, proxy_tree_report

__all__ = [
    "ROOT",
    "Dendrogram",
    "ProxyTree",
    "ProxyTreeReport",
    "extract_tree",
    "nearest_ancestors",
    "proxy_tree",
    "proxy_tree_report",
]
