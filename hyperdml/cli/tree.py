"""`hyperdml tree`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import ConfigError

if TYPE_CHECKING:
    from hyperdml.data import EmbeddingSet
    from hyperdml.metrics.trees.tree_scores_result import FigureRow
    from hyperdml.taxonomy import Taxonomy
    from hyperdml.tree import Dendrogram
    from hyperdml.tree.hierarchy import Hierarchy
    from hyperdml.viz.subject import Subject

ALL = "all"
Format = Literal["newick", "graphml", "linkage", "edges"]


def tree(
    source: Path,
    /,
    *,
    method: Literal["average", "hyphc", "gromov", "nearest_ancestor", "lca"] = "average",
    taxonomy: Path | None = None,
    arm: str | None = None,
    draws: int | None = None,
    seed: int | None = None,
    format: Annotated[tuple[Format, ...], Parameter(consume_multiple=True, negative="")] = ("newick",),
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Grow a tree over embeddings, and say whether the hierarchy in it is real.

    Every figure is printed beside null models, which lack one thing each, and beside control trees of the same images.
    A figure within two standard deviations of a null model is called "not distinguishable from chance". The tree and
    its scores are kept, and are read again while embeddings and options stay the same.

    hyperdml tree runs/quickstart

    hyperdml tree runs/quickstart --method nearest_ancestor --arm all

    hyperdml tree points.safetensors --taxonomy birds.csv --format newick graphml

    Args:
        source: run folder, the folder of one of its controls, or a file of embeddings with labels.
        method: average (linkage in hyperbolic distance), hyphc, gromov, or over the learned proxies nearest_ancestor
            and lca.
        taxonomy: score against this one, in any format that hyperdml taxonomy recognises, instead of the levels stored
            with the embeddings. Classes are matched by name.
        arm: another arm of the run by its title, or all.
        draws: draws from every null model; by default as the report of the run (evaluation.draws), 20 for a file.
        seed: of all draws; by default that of the run, 0 for a file.
        format: files of the tree beside tree.json: newick (tree.nwk), graphml (tree.graphml), linkage (SciPy's matrix,
            linkage.npy), edges (tree.csv).
        out: folder to write to; by default RUN/tree, or FILE-tree beside a file. There, every other
            method, arm and taxonomy has a folder of its own.
        json: print one JSON object.
    """
    from hyperdml.training.hierarchy import arm_subject, draws_and_seed, run_hierarchy, tree_folder
    from hyperdml.training.subject import subject_of
    from hyperdml.tree.extract import OVER_PROXIES

    if draws is not None and draws < 2:
        raise ConfigError(f"--draws must be 2 or more for a standard deviation, got {draws}")
    subject = subject_of(source, images=False)
    own_draws, own_seed = draws_and_seed(source)
    draws, seed = own_draws if draws is None else draws, own_seed if seed is None else seed
    records = []
    titles: list[str | None] = [arm]
    if arm == ALL:
        bare = [title for title, other in subject.arms.items() if method in OVER_PROXIES and other.proxies is None]
        titles = [None, *(title for title in subject.arms if title not in bare)]
        for name in bare:
            print(f"left out, without proxies: {name}", file=sys.stderr)
    for title in titles:
        try:
            chosen = subject if title is None else arm_subject(subject, title)
            above = None if taxonomy is None else _taxonomy(taxonomy, chosen.embeddings)
            base = tree_folder(source, method, title, taxonomy) if out is None else out
            folder = base if out is None or title is None else base / tree_folder(out, arm=title).name
            found = run_hierarchy(chosen, folder, method=method, taxonomy=above, draws=draws, seed=seed)
        except ValueError as error:
            raise ConfigError(f"{source}: {error}") from error
        files = ["tree.json", "scores.json", *(_written(found.tree, kind, folder) for kind in format)]
        records.append(_record(chosen, found, folder, files, taxonomy))
        if not json:
            _print(chosen, found, folder, files)
    if json:
        print_json({"source": str(source), "method": method, "draws": draws, "seed": seed, "trees": records})


def _taxonomy(file: Path, embeddings: EmbeddingSet) -> Taxonomy:
    """The taxonomy of a file above the classes that occur."""
    from hyperdml.taxonomy.formats.reading import read_taxonomy

    names = embeddings.class_of_items()
    if names is None:
        raise ValueError("--taxonomy is matched by the names of the classes, which these embeddings do not have")
    return read_taxonomy(file, classes=list(dict.fromkeys(names)))


def _linkage(tree: Dendrogram, path: Path) -> None:
    import numpy as np

    from hyperdml.files import write_atomic

    content = BytesIO()
    np.save(content, tree.to_linkage())
    write_atomic(path, content.getvalue())


def _newick(tree: Dendrogram, path: Path) -> None:
    from hyperdml.files import write_atomic

    write_atomic(path, f"{tree.to_newick()}\n".encode())


_FILES: dict[Format, tuple[str, Callable[[Dendrogram, Path], None]]] = {
    "newick": ("tree.nwk", _newick),
    "graphml": ("tree.graphml", lambda tree, path: tree.to_graphml(path)),
    "linkage": ("linkage.npy", _linkage),
    "edges": ("tree.csv", lambda tree, path: tree.to_edges_csv(path)),
}


def _written(tree: Dendrogram, kind: Format, folder: Path) -> str:
    """Write the tree in a format; the name of the file."""
    name, write = _FILES[kind]
    write(tree, folder / name)
    return name


def _record(
    subject: Subject, found: Hierarchy, folder: Path, files: list[str], taxonomy: Path | None
) -> dict[str, Any]:
    scores = found.scores
    return {
        "title": subject.title,
        "c": subject.embeddings.c,
        "taxonomy": None if taxonomy is None else str(taxonomy),
        "leaves": scores.leaves,
        "inner_nodes": scores.inner_nodes,
        "depth": scores.depth,
        "figures": [
            asdict(row) | {"nulls": [null._asdict() for null in row.nulls], "beats": row.beats} for row in scores.rows()
        ],
        "triplet_interval": None if scores.triplet_interval is None else asdict(scores.triplet_interval),
        "draws": scores.draws,
        "proxies": None if found.proxies is None else asdict(found.proxies),
        "conclusions": scores.conclusions(),
        "summary": found.summary(),
        "files": [str(folder / name) for name in files],
    }


def _print(subject: Subject, found: Hierarchy, folder: Path, files: list[str]) -> None:
    from hyperdml.training.tables import text_table

    scores = found.scores
    rows = scores.rows()
    print(
        f"{subject.title}: {scores.leaves} leaves, {scores.inner_nodes} inner nodes, depth {scores.depth}, "
        f"curvature -{subject.embeddings.c:g}\n"
    )
    table = text_table(
        ["figure", "score", "null model", "gives", "z", ""], [line for row in rows for line in _cells(row)]
    )
    print("\n".join(line.rstrip() for line in table.split("\n")))
    names = list(scores.controls)
    if names:
        print()
        shown = [row for row in rows if row.controls]
        values = [[row.name, *(f"{value:.3f}" for value in (row.value, *row.controls.values()))] for row in shown]
        print(text_table(["control", "this tree", *names], values))
    print()
    if scores.triplet_interval is not None:
        low, high = scores.triplet_interval.low, scores.triplet_interval.high
        print(f"triplet accuracy, 95 % interval over classes: {low:.3f} to {high:.3f}")
    if found.proxies is not None:
        print("the learned proxies, each image at its nearest:")
        for line in found.proxies.lines():
            print(f"  {line}")
    for line in scores.conclusions():
        print(line)
    print(f"\nto quote: {found.summary()}")
    print(f"\nwritten to {folder}: {', '.join(files)}\n")


def _cells(row: FigureRow) -> list[list[str]]:
    """A line for every null model of a figure."""
    from hyperdml.metrics.trees.nulls import ABOVE, BELOW, CHANCE, z_text

    words = {ABOVE if row.better == "higher" else BELOW: "", CHANCE: CHANCE}  # else it is worse
    name = f"{row.name} (lower is better)" if row.better == "lower" else row.name
    cells = [
        [
            null.name,
            f"{null.mean:.3f} ± {null.sd:.3f}",
            z_text(null.z).removeprefix("z = "),
            words.get(null.verdict, "worse than chance"),
        ]
        for null in row.nulls
    ]
    return [[name, f"{row.value:.3f}", *(cells[0] if cells else [""] * 4)], *(["", "", *rest] for rest in cells[1:])]
