"""Matrices of class-to-class affinity, ordered by super-class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.errors import DataError
from hyperdml.metrics.trees.nulls import ABOVE, Score, verdict
from hyperdml.seeds import derive_seed
from hyperdml.viz.class_affinity import AffinityScores, Measure, affinity_scores, class_affinity, class_order
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.groups import Groups, class_groups, super_groups
from hyperdml.viz.needs import arm_beside
from hyperdml.viz.palette import colours
from hyperdml.viz.subject import Subject
from hyperdml.viz.tiles import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_MOST = 1000  # classes of a matrix; a cell of more is smaller than a pixel
_LEGEND = 26  # more super-classes than this make no readable legend
_SIDE, _BAR, _GAP, _BELOW, _KEY = 4.3, 0.14, 0.95, 0.62, 2.3  # inches
_AXIS = {"distance": "negative hyperbolic distance of class midpoints", "cosine": "cosine of class means"}


def draw_affinity(
    path: Path, subject: Subject, *, level: str | None = None, against: str | None = None, seed: int = 0
) -> str:
    """Draw class-to-class affinities, the metric loss alone beside the subject (Figure 4 of HIER).

    An arm without hierarchical proxies is shown by cosine of class means, everything else by negative hyperbolic
    distance of class midpoints, as in the paper. Below each matrix stand figures that do not depend on the eye.

    Args:
        path: PNG, SVG or PDF to write.
        subject: embeddings with labels and levels.
        level: level that orders the classes; by default the coarsest above the class.
        against: title of the arm beside it; by default the metric loss alone, if there is one.
        seed: of the shuffled super-classes, and of the sample where there are more than 1,000 classes.

    Returns:
        The caption, which is also in the figure.

    Raises:
        DataError: there are no labels, or no level above the classes.
        ConfigError: no such arm or level.
    """
    sets = [(subject.own_title, subject.embeddings)]
    other = arm_beside(subject, against)
    if other is not None:
        sets.insert(0, other)
    classes = class_groups(subject.embeddings)
    groups = super_groups(subject.embeddings, level, subject.coarse_names)
    if groups is None:
        raise DataError(f"{subject.title} has no level above its classes that the matrix could be ordered by")
    of_class = np.zeros(len(classes.names), np.int64)
    of_class[classes.ids] = groups.ids
    kept = _sample(len(classes.names), seed)
    panels = []
    for title, found in sets:
        measure: Measure = "cosine" if found is not subject.embeddings and found.proxies is None else "distance"
        matrix = _affinity(found, classes, kept, measure)
        panels.append((title, measure, matrix, _scores(matrix, of_class[kept], seed)))
    order = class_order([matrix for _, _, matrix, _ in panels], of_class[kept])
    bar = of_class[kept][order]
    caption = _caption(panels[0], sets[0][1], classes, groups, kept, of_class, seed)
    key = _KEY if len(np.unique(bar)) <= _LEGEND else 0.0
    width, height = len(panels) * (_SIDE + _GAP) + key, _SIDE + _BELOW + 0.4
    title = f"Affinity of classes by {groups.level}: {subject.title}"
    figure, part = new_figure(width, height, title=title, caption=caption)
    tones = np.array(colours(len(groups.names)))
    for number, (name, measure, matrix, scores) in enumerate(panels):
        left = 0.3 + number * (_SIDE + _GAP)
        axes = part.add_axes((left / width, _BELOW / height, _SIDE / width, _SIDE / height))
        _matrix(axes, part, matrix[np.ix_(order, order)], tones[bar])
        axes.set_title(fitted(name, _SIDE, 9, 1), fontsize=9, weight="bold")
        axes.set_xlabel(f"{_AXIS[measure]}\n{_words(scores)}", fontsize=7.5, linespacing=1.35)
    if key:
        _legend(part, groups, tones, np.unique(bar))
    save_figure(figure, path)
    return caption


def _affinity(embeddings: EmbeddingSet, classes: Groups, kept: np.ndarray, measure: Measure) -> np.ndarray:
    """Of the kept classes only, so that no matrix of all classes is made."""
    inside = np.isin(classes.ids, kept)
    some = Groups(
        classes.level, np.searchsorted(kept, classes.ids[inside]), tuple(classes.names[i] for i in kept.tolist())
    )
    return class_affinity(embeddings.select(torch.from_numpy(np.flatnonzero(inside))), some, measure)


def _scores(matrix: np.ndarray, groups: np.ndarray, seed: int) -> AffinityScores:
    try:
        return affinity_scores(matrix, groups, seed)
    except ValueError as error:
        raise DataError(str(error)) from error


def _sample(classes: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(derive_seed(seed, "classes of a matrix"))
    found: np.ndarray = np.sort(rng.permutation(classes)[:_MOST])
    return found


def _matrix(axes: Axes, part: SubFigure, matrix: np.ndarray, bar: np.ndarray) -> None:
    """The matrix with the super-classes beside and above it, and the scale to its right."""
    from matplotlib.colors import to_rgb

    off = matrix[~np.eye(len(matrix), dtype=bool)]
    low, high = np.percentile(off, [1, 99])
    shown = axes.imshow(matrix, cmap="cividis", vmin=low, vmax=high, interpolation="antialiased", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    strip = np.array([to_rgb(colour) for colour in bar])
    share = _BAR / _SIDE
    for place, pixels in (
        ((-1.2 * share, 0, share, 1), strip[:, None]),
        ((0, 1 + 0.2 * share, 1, share), strip[None]),
    ):
        side = axes.inset_axes(place)
        side.imshow(pixels, aspect="auto", interpolation="nearest")
        side.set_axis_off()
    axes.title.set_position((0.5, 1 + 1.6 * share))
    scale = axes.inset_axes((1.015, 0, 0.022, 1))
    part.colorbar(shown, cax=scale, extend="both")
    scale.tick_params(labelsize=6.5)


def _legend(part: SubFigure, groups: Groups, tones: np.ndarray, present: np.ndarray) -> None:
    from matplotlib.patches import Patch

    names = [fitted(groups.names[group], _KEY - 0.5, 7.5, 2) for group in present.tolist()]
    handles = [Patch(color=tones[group], label=name) for group, name in zip(present.tolist(), names, strict=True)]
    part.legend(handles=handles, loc="upper right", fontsize=7.5, frameon=False, title=groups.level, title_fontsize=8)


def _words(scores: AffinityScores) -> str:
    return (
        f"within less between: {_beside(scores.contrast, 1, '')} sd\n"
        f"nearest class in the same one: {_beside(scores.nearest, 100, ' %')}"
    )


def _beside(score: Score, scale: float, unit: str) -> str:
    (null,) = score.nulls.values()
    digits = 2 if scale == 1 else 1
    value, mean, sd = (
        f"{round(scale * number, digits) + 0.0:.{digits}f}" for number in (score.value, null.mean, null.sd)
    )
    said = verdict(score.value, null.mean, null.sd)
    return f"{value}{unit}, shuffled {mean} ± {sd}{unit}" + ("" if said == ABOVE else f", {said}")


def _caption(
    first: tuple[str, Measure, np.ndarray, AffinityScores],
    embeddings: EmbeddingSet,
    classes: Groups,
    groups: Groups,
    kept: np.ndarray,
    of_class: np.ndarray,
    seed: int,
) -> str:
    count = len(classes.names)
    parts = [
        f"{len(kept):,} of {count:,} classes drawn at random" if len(kept) < count else f"All {count:,} classes",
        f"in {len(np.unique(of_class[kept])):,} super-classes ({groups.level}; the bars beside and above), within one "
        "in the order of average linkage over all panels. Colours reach from the 1st to the 99th percentile of each "
        "panel and cannot be compared between panels; the figures below can: the mean affinity within super-classes "
        "less that between them in standard deviations, and how many classes have their nearest class in their "
        "super-class, beside the same with super-classes shuffled (20 draws, mean ± sd).",
    ]
    title, measure, *_ = first
    if measure == "cosine":  # else the panels differ in the model and in the measure
        scores = _scores(_affinity(embeddings, classes, kept, "distance"), of_class[kept], seed)
        parts.append(
            f"By hyperbolic distance {title} has {scores.contrast.value:.2f} sd and {100 * scores.nearest.value:.1f} %."
        )
    return " ".join(parts)
