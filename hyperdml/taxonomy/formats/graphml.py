"""GraphML: directed graphs in XML, as `Taxonomy.to_graphml` and networkx write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from hyperdml.errors import DataError
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.formats.text import MAX_STREAMED


def read_graphml(path: Path, wanted: Wanted) -> Draft:
    """Nodes, which are called by their ids, and directed edges from parent to child; data of either are not read.

    Raises:
        DataError: the file cannot be read, is not XML, declares a document type (which could define entities that
            grow without end) or an undirected graph; the message names the line.
    """
    terms = Terms()
    parser = expat.ParserCreate(namespace_separator=" ")

    def element(name: str, given: Mapping[str, str]) -> None:
        tag, line = name.rsplit(" ", 1)[-1], parser.CurrentLineNumber
        if tag == "graph" and given.get("edgedefault") != "directed":
            raise DataError(f"{path}, line {line}: the graph is not directed; edges must lead from parent to child")
        if tag == "hyperedge" or (tag == "edge" and given.get("directed") == "false"):
            terms.fault(line, "an edge must lead from one node to another")
        elif tag == "node" and "id" in given:
            terms.add(given["id"].strip(), given["id"], line)
        elif tag == "edge" and {"source", "target"} <= set(given):
            terms.link(given["source"].strip(), given["target"].strip(), line)
        elif tag in ("node", "edge"):
            terms.fault(line, f"{tag} without {'id' if tag == 'node' else 'source or target'}")

    def document_type(*_: object) -> None:
        raise DataError(f"{path}, line {parser.CurrentLineNumber}: document types are not read")

    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = document_type
    try:
        if path.stat().st_size > MAX_STREAMED:
            raise DataError(f"{path} holds {path.stat().st_size} bytes; at most {MAX_STREAMED} are read")
        with path.open("rb") as file:
            parser.ParseFile(file)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise DataError(f"{path} is not GraphML: {error}") from error
    return terms.draft(wanted)
