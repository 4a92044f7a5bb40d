"""`hyperdml view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from hyperdml.errors import ConfigError

Layout = Literal["tree", "radius", "umap", "tangent-pca", "horospherical"]
_MOST = 100_000  # images of a page


def view(
    source: Path,
    /,
    *,
    layout: Annotated[tuple[Layout, ...], Parameter(consume_multiple=True, negative="")] = (
        "tree",
        "radius",
        "tangent-pca",
    ),
    method: Literal["average", "hyphc", "gromov", "nearest_ancestor", "lca"] = "average",
    thumbnails: int = 10_000,
    part: Literal["test", "train"] = "test",
    draws: int | None = None,
    seed: int | None = None,
    open: Annotated[bool, Parameter(negative="")] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Write the explorer: one HTML page with the disk, the tree, the images and the scores beside their null models.

    The page needs no server and no network. Drag to move, scroll to zoom, click a point for its neighbours,
    double-click to bring it to the middle; press ? in the page for all keys.

    hyperdml view runs/quickstart

    hyperdml view runs/quickstart --layout tree umap --open

    hyperdml view points.safetensors -o points.html

    Args:
        source: run folder, the folder of one of its controls, or a file of embeddings.
        layout: what the page can show, the first at once: tree, radius (with proxies), umap (slow: minutes beyond some
            thousand images, once an epoch), tangent-pca, horospherical. The last three go over the epochs that were
            kept.
        method: of the tree, see hyperdml tree.
        thumbnails: most images with a thumbnail, about 0.7 KB each; 0 for none.
        part: the classes looked at; train embeds the training images anew.
        draws: draws from every null model; by default as the report of the run (evaluation.draws), 20 for a file.
        seed: of samples, null models and UMAP; by default that of the run, 0 for a file.
        open: open the page in the browser.
        out: file to write; by default hierarchy.html in the run folder, or FILE.html beside a file of embeddings.
    """
    from hyperdml.cli.sources import data_errors
    from hyperdml.files import write_atomic
    from hyperdml.training.hierarchy import can_keep, draws_and_seed, run_hierarchy, tree_folder
    from hyperdml.training.subject import subject_of
    from hyperdml.viz.explorer import explorer_data, explorer_page
    from hyperdml.viz.subject import sampled

    if thumbnails < 0:
        raise ConfigError(f"--thumbnails must be 0 or more, got {thumbnails}")
    if draws is not None and draws < 2:
        raise ConfigError(f"--draws must be 2 or more for a standard deviation, got {draws}")
    path = _out(out, source)
    subject = subject_of(source, part)
    own_draws, own_seed = draws_and_seed(source)
    draws, seed = own_draws if draws is None else draws, own_seed if seed is None else seed
    whole = len(subject) <= _MOST
    if not whole:
        subject = sampled(subject, _MOST, seed)
    # the scores of the whole test part are those that hyperdml tree keeps
    kept = tree_folder(source, method) if whole and part == "test" else None
    with data_errors(source):
        few = len(subject) < 3  # which no tree is worth
        write = kept is not None and can_keep(kept)  # a run that can only be read has a page elsewhere
        hierarchy = None if few else run_hierarchy(subject, kept, method=method, draws=draws, seed=seed, write=write)
        data = explorer_data(subject, hierarchy, thumbnails=thumbnails, layouts=layout, seed=seed)
    page = explorer_page(data).encode()
    write_atomic(path, page)
    _say(path, len(page), data["notes"])
    if open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _out(out: Path | None, source: Path) -> Path:
    """The file to write, as far as it can be known to be writable before the work begins."""
    if out is None:
        return source.with_suffix(".html") if source.is_file() else source / "hierarchy.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out: the page is an .html file, got {out}")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    if out.is_dir():
        raise ConfigError(f"--out: {out} is a folder, not a file to write")
    return out


def _say(path: Path, size: int, notes: list[str]) -> None:
    from hyperdml.data.image_files import printable

    print(printable(f"written to {path} ({size / 1e6:.1f} MB)"))
    for note in notes:
        print(printable(note))
