"""The file formats of taxonomies: each module reads one into a `Draft`, `reading` tells them apart."""
