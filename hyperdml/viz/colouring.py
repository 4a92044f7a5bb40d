"""Which colour and marker each image has: by a level, by class, or by radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperdml.errors import ConfigError, DataError
from hyperdml.geometry import dist0
from hyperdml.viz.groups import Groups, class_groups, levels_above, super_groups
from hyperdml.viz.palette import colours, markers
from hyperdml.viz.subject import Subject

RADIUS, CLASS = "radius", "class"
LEGEND = 20  # more groups than this make no readable legend
_PLAIN = "#0072B2"


@dataclass(frozen=True, eq=False)
class Colouring:
    """Colours of the images of a subject.

    Attributes:
        title: what the colours are, for the legend; empty if they are nothing.
        groups: the groups, or None.
        radii: (N,) hyperbolic radii, or None.
    """

    title: str
    groups: Groups | None = None
    radii: NDArray[np.float64] | None = None

    def layers(self, rows: NDArray[np.int64]) -> list[tuple[str, str, str, NDArray[np.bool_]]]:
        """Name, colour, marker and mask over the rows, of every group that has some of these rows."""
        if self.groups is None:
            return [("", _PLAIN, "o", np.ones(len(rows), bool))]
        ids, names = self.groups.ids[rows], self.groups.names
        looks = zip(names, colours(len(names)), markers(len(names)), strict=True)
        found = [(name, colour, mark, ids == group) for group, (name, colour, mark) in enumerate(looks)]
        return [layer for layer in found if layer[3].any()]

    @property
    def words(self) -> str:
        """What the colours are, where no legend says it."""
        if self.groups is None or len(self.groups.names) <= LEGEND:
            return ""
        return (
            f"Colours: {len(self.groups.names):,} groups of {self.title}; too many for a legend, so colours come again."
        )


def colouring(subject: Subject, colour: str | None = None) -> Colouring:
    """The colours that were asked for.

    Args:
        subject: what is shown.
        colour: name of a level above the class, "class", or "radius"; by default the coarsest level, the class if there
            is none above it, or one colour if there are no labels.

    Raises:
        ConfigError: there is no such level.
        DataError: a level or the class was asked for and there are no labels.
    """
    found = subject.embeddings
    if colour == RADIUS:
        return Colouring("hyperbolic radius", radii=dist0(found.points.detach().cpu().double(), found.c).numpy())
    if colour is None and found.labels is None:
        return Colouring("")
    if colour == CLASS:
        return Colouring(CLASS, class_groups(found))
    if colour is not None and found.labels is not None and colour not in (above := levels_above(found)):
        raise ConfigError(f"--colour takes {', '.join([*above, CLASS, RADIUS])}, got {colour!r}")
    if found.labels is None:
        raise DataError(f"{subject.title} has no labels to colour by {colour}")
    groups = super_groups(found, colour, subject.coarse_names) or class_groups(found)
    return Colouring(groups.level, groups)
