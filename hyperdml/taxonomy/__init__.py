"""Taxonomies of classes: trees, forests and directed acyclic graphs, with their readers, writers and questions."""

from hyperdml.taxonomy.csr import CSR
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.taxonomy import Taxonomy

__all__ = ["CSR", "Finding", "Taxonomy"]
