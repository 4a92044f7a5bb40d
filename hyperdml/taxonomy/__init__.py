"""Taxonomies of classes: trees, forests and directed acyclic graphs, with their readers, writers and questions."""

from hyperdml.taxonomy.csr import CSR
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.reading import check_file, read_taxonomy
from hyperdml.taxonomy.statistics import Statistics, statistics_of
from hyperdml.taxonomy.taxonomy import Taxonomy

__all__ = ["CSR", "Finding", "Statistics", "Taxonomy", "check_file", "read_taxonomy", "statistics_of"]
