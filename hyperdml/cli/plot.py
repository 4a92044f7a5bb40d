"""`hyperdml plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hyperdml.cli.sources import data_errors
from hyperdml.errors import ConfigError

if TYPE_CHECKING:
    from hyperdml.viz.subject import Subject

Figure = Literal["disk", "epochs", "affinity", "proxies", "retrieval", "radii", "curves"]
Layout = Literal["tree", "radius", "umap", "tangent-pca", "horospherical"]

# the figures that each option belongs to
_BELONGS: Mapping[str, tuple[str, ...]] = {
    "layout": ("disk", "epochs"),
    "colour": ("disk", "affinity", "retrieval", "radii"),
    "control": ("disk",),
    "against": ("affinity", "retrieval"),
    "queries": ("retrieval",),
    "part": ("disk", "affinity", "proxies", "retrieval", "radii"),
    "seed": ("disk", "epochs", "affinity", "proxies", "retrieval"),
    "x": ("curves",),
    "metric": ("curves",),
}
_CHOICES = ("best", "worst", "random", "changed")


def plot(
    *runs: Path,
    figure: Figure = "disk",
    layout: Layout | None = None,
    colour: str | None = None,
    control: Annotated[bool, Parameter(negative="")] = False,
    against: str | None = None,
    queries: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    part: Literal["test", "train"] | None = None,
    seed: int | None = None,
    x: Annotated[tuple[str, ...], Parameter(name="--x", consume_multiple=True, negative="")] = (),
    metric: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Draw a figure of a run or of a file of embeddings, as PNG, SVG or PDF.

    disk: images in the Poincaré disk. epochs: the same after several epochs. affinity: class-to-class matrices by
    super-class. proxies: images around proxies near the rim. retrieval: queries with their nearest images. radii:
    histograms of hyperbolic radii. curves: scores of several runs against a setting.

    hyperdml plot runs/quickstart

    hyperdml plot runs/quickstart --figure retrieval --queries worst -o worst.pdf

    hyperdml plot runs/d* --figure curves --x model.head.embedding_size --metric R@1 -o dimension.svg

    Args:
        runs: run folder, the folder of one of its controls, or a file of embeddings; for curves several finished runs.
        figure: what to draw.
        layout: of disk and epochs. tree: a tree grown in the learned space. radius: the learned radius, the angle a
            layout. umap: UMAP of hyperbolic distances, whose radius is not depth. tangent-pca and horospherical are
            linear. By default tree for disk and tangent-pca for epochs.
        colour: level that gives the colours: of the points (disk; also class or radius), of the side bar (affinity), of
            near misses (retrieval), of the bars (radii). By default the coarsest above the class.
        control: of disk: set beside it the same with proxies in random directions at the same radii.
        against: title of the arm that affinity and retrieval set beside the run; by default the metric loss alone.
        queries: of retrieval: best, worst, random (default), changed (where both arms differ most), or numbers of rows.
        part: the classes looked at; train embeds the training images anew.
        seed: of all that is drawn at random; 0 by default.
        x: of curves: dotted keys of the configuration, as model.head.embedding_size.
        metric: of curves: figures, as R@1 (default).
        out: file to write; by default FIGURE.png in the run folder, disk-LAYOUT.png for disk.
    """
    named = {
        "layout": layout is not None,
        "colour": colour is not None,
        "control": control,
        "against": against is not None,
        "queries": bool(queries),
        "part": part is not None,
        "seed": seed is not None,
        "x": bool(x),
        "metric": bool(metric),
    }
    _check(figure, runs, [name for name, given in named.items() if given])
    if figure == "epochs" and layout in ("tree", "radius"):
        raise ConfigError(f"epochs share one frame, which --layout {layout} does not give: umap and the linear ones do")
    rows = _queries(queries)
    # disk.png in a run folder is the picture of its report
    path = _out(out, runs, f"disk-{layout or 'tree'}" if figure == "disk" else figure)
    if figure == "curves":
        caption = _draw_curves(path, runs, x, metric)
    else:
        from hyperdml.training.subject import subject_of

        subject = subject_of(runs[0], part or "test")
        with data_errors(runs[0]):
            caption = _draw(path, subject, figure, layout, colour, control, against, rows, seed or 0)
    _say(path, caption)


def _draw(
    path: Path,
    subject: Subject,
    figure: str,
    layout: Layout | None,
    colour: str | None,
    control: bool,
    against: str | None,
    queries: Any,
    seed: int,
) -> str:
    if figure == "epochs":
        from hyperdml.viz.epochs import draw_epochs

        return draw_epochs(path, subject, layout=layout or "tangent-pca", seed=seed)
    if figure == "affinity":
        from hyperdml.viz.affinity import draw_affinity

        return draw_affinity(path, subject, level=colour, against=against, seed=seed)
    if figure == "proxies":
        from hyperdml.viz.proxy_images import draw_proxy_images

        return draw_proxy_images(path, subject, seed=seed)
    if figure == "retrieval":
        from hyperdml.viz.retrieval_grid import draw_retrieval_grid

        return draw_retrieval_grid(path, subject, queries=queries, level=colour, against=against, seed=seed)
    if figure == "radii":
        from hyperdml.viz.radius_histogram import draw_radii

        return draw_radii(path, subject, level=colour)
    from hyperdml.viz.disk import draw_disk

    return draw_disk(path, subject, layout=layout or "tree", colour=colour, control=control, seed=seed)


def _draw_curves(path: Path, runs: Sequence[Path], keys: Sequence[str], metrics: Sequence[str]) -> str:
    from hyperdml.training.run_curves import run_curves
    from hyperdml.viz.curves import draw_curves

    panels, caption = run_curves(runs, keys, metrics or ("R@1",))
    draw_curves(path, panels, title="Scores against settings", caption=caption)
    return caption


def _check(figure: str, runs: Sequence[Path], given: Sequence[str]) -> None:
    """Refuse options that the figure does not have, and numbers of runs."""
    for name in given:
        if figure not in _BELONGS[name]:
            raise ConfigError(f"--{name} belongs to --figure {' or '.join(_BELONGS[name])}, not to {figure}")
    if figure == "curves":
        if not runs:
            raise ConfigError("curves need finished runs: hyperdml plot RUN RUN ... --figure curves --x KEY -o FILE")
        if "x" not in given:
            raise ConfigError("curves need --x: the setting to draw against, as model.head.embedding_size")
    elif len(runs) != 1:
        raise ConfigError(f"--figure {figure} is of one run or file of embeddings, got {len(runs)}")


def _queries(words: Sequence[str]) -> str | list[int]:
    """How queries are chosen: one word, or numbers of rows."""
    if not words:
        return "random"
    if len(words) == 1 and words[0] in _CHOICES:
        return words[0]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"--queries takes {', '.join(_CHOICES)}, or numbers of rows, got {' '.join(words)!r}")
    return [int(word) for word in words]


def _out(out: Path | None, runs: Sequence[Path], figure: str) -> Path:
    """The file to write, as far as it can be known to be writable before the work begins."""
    from hyperdml.viz.figure import figure_format

    if out is None:
        if figure == "curves":
            raise ConfigError("curves are of several runs: say with -o which file to write")
        source = runs[0]
        return source.with_name(f"{source.stem}-{figure}.png") if source.is_file() else source / f"{figure}.png"
    figure_format(out)
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    if out.is_dir():
        raise ConfigError(f"--out: {out} is a folder, not a file to write")
    return out


def _say(path: Path, caption: str) -> None:
    from hyperdml.data.image_files import printable

    print(printable(f"written to {path}"))
    print("\n".join(printable(line) for line in caption.split("\n")))
