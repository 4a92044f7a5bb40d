"""The arms of a classification run: what is trained beside the loss that was asked for, to compare it with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hyperdml.errors import ConfigError
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.loss_config import ClassLossConfig
from hyperdml.training.classify.losses import head_of

SMOOTHING = 0.1
"""Label smoothing of the control of that name, the usual value (Szegedy et al. 2016)."""

_NAMES = {"hace": "HACE", "hce": "HCE", "hxe": "HXE", "soft_labels": "soft labels", "cross_entropy": "cross-entropy"}


@dataclass(frozen=True)
class ClassArm:
    """One training of a run.

    Attributes:
        title: what is trained, for tables.
        config: its configuration.
        folder: where its model goes.
    """

    title: str
    config: ClassifyConfig
    folder: Path


def class_arms(config: ClassifyConfig, folder: Path) -> list[ClassArm]:
    """The controls of a run in their order, then the run itself. A control equal to the run is left out.

    Controls differ from the run in the loss alone, and in the learning rate where `optim.lr_pairing` says so.

    Args:
        config: the run.
        folder: run folder; the controls live in `controls/NAME` in it.

    Raises:
        ConfigError: a control is listed twice.
    """
    names = config.evaluation.controls
    if len(set(names)) < len(names):
        raise ConfigError(f"evaluation.controls lists a control twice: {', '.join(names)}")
    partner = config.loss.dilution if config.optim.lr_pairing != "none" else None
    plain = ClassLossConfig("cross_entropy", dilution=partner)
    losses = {"cross_entropy": plain, "label_smoothing": replace(plain, label_smoothing=SMOOTHING)}
    controls = [
        ClassArm(loss_title(losses[name]), replace(config, loss=losses[name]), folder / "controls" / name)
        for name in names
        if replace(losses[name], head=head_of(losses[name])) != replace(config.loss, head=head_of(config.loss))
    ]
    return [*controls, ClassArm(loss_title(config.loss), config, folder)]


def loss_title(loss: ClassLossConfig) -> str:
    """What a loss is called in tables, for example "HACE 0.5 + label smoothing 0.1"."""
    number = {"hace": loss.dilution, "hxe": loss.alpha, "soft_labels": loss.beta}.get(loss.name)
    title = _NAMES[loss.name] + ("" if number is None else f" {number:g}")
    if loss.horizontal == "lca" and loss.beta is not None:
        title += f" + soft labels {loss.beta:g}"
    if loss.label_smoothing:
        title += f" + label smoothing {loss.label_smoothing:g}"
    options = [
        word
        for word, given in (
            ("normalized", loss.normalized),
            ("virtual root", loss.root == "virtual"),
            (loss.head.replace("_", " "), loss.head != "auto"),
        )
        if given
    ]
    return title + (f" ({', '.join(options)})" if options else "")
