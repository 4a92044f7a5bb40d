"""`hyperdml taxonomy`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic

if TYPE_CHECKING:
    from hyperdml.taxonomy import Taxonomy
    from hyperdml.taxonomy.findings import Finding
    from hyperdml.taxonomy.formats.draft import Draft

_MANY, _FEW = 300, 10  # of more nodes than these at most so many children of each are shown
_WRITERS: dict[str, Callable[[Taxonomy, Path], None]] = {
    ".json": lambda taxonomy, path: taxonomy.to_json(path),
    ".csv": lambda taxonomy, path: taxonomy.to_edges_csv(path),
    ".nwk": lambda taxonomy, path: write_atomic(path, f"{taxonomy.to_newick()}\n".encode()),
    ".graphml": lambda taxonomy, path: taxonomy.to_graphml(path),
}


@Parameter(name="*")
@dataclass(frozen=True)
class TaxonomyFile:
    """How a file of a taxonomy is read.

    Attributes:
        format: its format, if it is not recognised: json, edges, lineages, nested, parents, newick, graphml, obo,
            wordnet, ncbi, google, inaturalist, fgvc_aircraft, nabirds, cars, sop, in_shop.
        classes: text file with the names or ids of the leaves that are wanted, one a line, in label order.
        ids: call nodes by their ids instead of their names (obo, wordnet, ncbi, google, nabirds).
        homonyms: what to do with a name at several places: error, or call the nodes by their path or level.
    """

    format: str | None = None
    classes: Path | None = None
    ids: Annotated[bool, Parameter(negative="")] = False
    homonyms: Literal["error", "path", "level"] | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Shape:
    """What is made of the roots and chains of a taxonomy.

    Attributes:
        root: name of one root to put above several.
        collapse: take out nodes with a single child; the child takes their place.
    """

    root: str | None = None
    collapse: Annotated[bool, Parameter(negative="")] = False


def show_taxonomy(
    file: Path,
    /,
    *,
    depth: int | None = None,
    children: int | None = None,
    reading: TaxonomyFile = TaxonomyFile(),
    shape: Shape = Shape(),
    json: Json = False,
) -> None:
    """Print a taxonomy as a tree, and its size and shape.

    hyperdml taxonomy show birds.csv --depth 2

    hyperdml taxonomy show cifar100

    Args:
        file: file, folder of a data set, or the name of a taxonomy that needs none: cifar100, emoji.
        depth: levels below the roots to show; by default all.
        children: children of each node to show; by default all, or 10 where there are more than 300 nodes.
        reading: how the file is read.
        shape: roots and chains.
        json: print one JSON object with the statistics and the hash, without the tree.
    """
    from hyperdml.taxonomy.statistics import statistics_of

    for name, value in (("--depth", depth), ("--children", children)):
        if value is not None and value < 0:
            raise ConfigError(f"{name} must be 0 or more, got {value}")
    taxonomy = _taxonomy(file, reading, shape)
    found = statistics_of(taxonomy)
    if json:
        print_json({"file": str(file), "hash": taxonomy.hash, **asdict(found)})
        return
    limit = _FEW if children is None and len(taxonomy) > _MANY else children
    _print_lines([*taxonomy.show(depth, limit).split("\n"), "", *str(found).split("\n")])


def check_taxonomy(
    file: Path,
    /,
    *,
    reading: TaxonomyFile = TaxonomyFile(),
    json: Json = False,
) -> None:
    """List everything that is wrong with a taxonomy's file, or worth knowing, with line numbers where there are.

    Ends with exit code 3 if no taxonomy can be made of it, with 0 if there are only warnings.

    hyperdml taxonomy check birds.csv

    Args:
        file: file, or folder of a data set.
        reading: how it is read.
        json: print one JSON object.
    """
    found, draft = _draft(file, reading)
    findings = draft.findings()
    errors = sum(finding.severity == "error" for finding in findings)
    if json:
        record = [asdict(finding) for finding in findings]
        print_json({"file": str(file), "format": found, "errors": errors, "findings": record})
    else:
        print(f"{file}: read as {found}, {len(draft.graph.names)} nodes, {len(draft.graph.above)} edges")
        _print_findings(findings)
        if not findings:
            print("nothing found")
    if errors:
        raise DataError(f"{file} is not a taxonomy: {errors} error{'s' if errors > 1 else ''}")


def convert_taxonomy(
    file: Path,
    out: Path,
    /,
    *,
    reading: TaxonomyFile = TaxonomyFile(),
    shape: Shape = Shape(),
    json: Json = False,
) -> None:
    """Write a taxonomy in another format, by the ending of the new file: .json, .csv, .nwk or .graphml.

    JSON keeps the order of the nodes and the hash. A table of edges and GraphML keep the order too; Newick holds trees
    only, and the order of their leaves where every subtree's leaves stand together.

    hyperdml taxonomy convert birds.csv birds.json

    hyperdml taxonomy convert taxdump birds.json --classes species.txt --collapse

    Args:
        file: file, folder of a data set, or the name of a taxonomy that needs none: cifar100, emoji.
        out: file to write.
        reading: how the file is read.
        shape: roots and chains.
        json: print one JSON object.
    """
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        raise ConfigError(f"{out} must end in {', '.join(_WRITERS)}")
    if not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent}")
    taxonomy = _taxonomy(file, reading, shape)
    try:
        write(taxonomy, out)
    except ValueError as error:
        raise ConfigError(f"{out}: {error}") from error
    if json:
        print_json({"out": str(out), "hash": taxonomy.hash, "nodes": len(taxonomy), "leaves": taxonomy.num_leaves})
    else:
        print(f"{len(taxonomy)} nodes, {taxonomy.num_leaves} of them leaves, written to {out}")


def _taxonomy(file: Path, reading: TaxonomyFile, shape: Shape) -> Taxonomy:
    """The taxonomy of a file or a name; notes of the reader go to standard error."""
    root, unary = shape.root or False, "collapse" if shape.collapse else "keep"
    built = _built_in(str(file)) if not file.exists() else None
    if built is not None:
        if reading != TaxonomyFile():
            raise ConfigError(f"{file} is not a file; it takes no options of reading")
        # through its edges, so that the options hold here too
        return _with_config_errors(
            lambda: type(built).from_networkx(built.to_networkx(), built.leaves, virtual_root=root, unary=unary)
        )
    _, draft = _draft(file, reading)
    _print_findings([note for note in draft.notes if note.severity == "warning"], sys.stderr)
    return draft.taxonomy(file, root, unary)


def _built_in(name: str) -> Taxonomy | None:
    """A taxonomy that the package holds."""
    from hyperdml.taxonomy.datasets import cifar100

    if name == "cifar100":
        return cifar100()
    if name == "emoji":
        from hyperdml.data.emoji import load_emoji

        return load_emoji().taxonomy
    return None


def _draft(file: Path, reading: TaxonomyFile) -> tuple[str, Draft]:
    from hyperdml.taxonomy.formats.reading import read_draft
    from hyperdml.taxonomy.formats.text import read_lines

    classes: Sequence[str] | None = None
    if reading.classes is not None:
        classes = [line.strip() for _, line in read_lines(reading.classes) if line.strip()]
    return _with_config_errors(
        lambda: read_draft(
            file,
            reading.format,
            classes=classes,
            names="ids" if reading.ids else "names",
            homonyms=reading.homonyms,
        )
    )


def _with_config_errors(call: Callable[[], Any]) -> Any:
    """What a call returns; an option that is not valid ends the command with one line."""
    try:
        return call()
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _print_findings(findings: Sequence[Finding], to: TextIO | None = None) -> None:
    _print_lines([f"{finding.severity}: {finding.message}" for finding in findings], to)


def _print_lines(lines: Sequence[str], to: TextIO | None = None) -> None:
    """Print names that may hold anything, to standard output where nothing else is said."""
    from hyperdml.data.image_files import printable

    for line in lines:
        print(printable(line), file=to)
