"""The arms of a run: what is trained beside the configuration that was asked for, to compare it with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hyperdml.errors import ConfigError
from hyperdml.hier.presets import MARGINS
from hyperdml.hier.spaces import Geometry
from hyperdml.training.retrieval.config import HIERConfig, TrainConfig


def _elsewhere(hier: HIERConfig, geometry: Geometry) -> HIERConfig:
    """HIER in another geometry, its weight raised as distances (and the default margin) shrink there."""
    scale = MARGINS[hier.geometry] / MARGINS[geometry] if hier.mode == "default" and hier.margin is None else 1.0
    return replace(hier, geometry=geometry, manifold_parameters=False, weight=hier.weight * scale)


_HIER: dict[str, Callable[[HIERConfig], HIERConfig]] = {
    "metric": lambda hier: replace(hier, weight=0.0),
    "triplet": lambda hier: replace(hier, sample_loss="triplet"),
    "spherical": partial(_elsewhere, geometry="spherical"),
    "euclidean": partial(_elsewhere, geometry="euclidean"),
    "official": lambda hier: HIERConfig(weight=0.5, mode="official"),
    "paper": lambda hier: HIERConfig(weight=1.0, mode="paper"),
}
"""Settings of the regulariser for each control that changes it, from those of the run."""


def control_config(name: str, config: TrainConfig) -> TrainConfig:
    """What a control trains; the run itself where the run lacks what the control changes."""
    if name in _HIER and config.hier.weight > 0:
        config = replace(config, hier=_HIER[name](config.hier))
    if name in ("metric", "no_hace"):
        config = replace(config, hace=replace(config.hace, weight=0.0))
    return config


@dataclass(frozen=True)
class Arm:
    """One training of a run.

    Attributes:
        title: what is trained, for tables.
        config: its configuration.
        folder: where its model and embeddings go.
    """

    title: str
    config: TrainConfig
    folder: Path


def arms_of(config: TrainConfig, folder: Path) -> list[Arm]:
    """The controls of a run in their order, then the run itself. What equals the run or an earlier control is left out.

    Args:
        config: the run.
        folder: run folder; the controls live in `controls/NAME` in it.

    Raises:
        ConfigError: a control is listed twice.
    """
    names = config.evaluation.controls
    if len(set(names)) < len(names):
        raise ConfigError(f"evaluation.controls lists a control twice: {', '.join(names)}")
    main = Arm(arm_title(config), config, folder)
    found: list[Arm] = []
    for name in names:
        settings = control_config(name, config)
        if settings in [config, *(arm.config for arm in found)]:
            continue
        title = arm_title(settings)
        if title in {arm.title for arm in [*found, main]}:  # the run has settings of its own in this mode
            title += f", control {name}"
        found.append(Arm(title, settings, folder / "controls" / name))
    return [*found, main]


def arm_title(config: TrainConfig) -> str:
    """What a configuration trains, for example "Proxy Anchor + HIER (default) + HACE"."""
    parts, hier = [loss_title(config.metric_loss.name)], config.hier
    if hier.weight > 0:
        where = "" if hier.geometry == "hyperbolic" else f", {hier.geometry}"
        what = "triplets of HIER" if hier.sample_loss == "triplet" else "HIER"
        parts.append(f"{what} ({hier.mode}{where})")
    if config.hace.weight > 0:
        parts.append("HACE")
    return " + ".join(parts)


def loss_title(name: str) -> str:
    """Readable name of a metric loss: "ProxyAnchorLoss" gives "Proxy Anchor"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Loss"))
