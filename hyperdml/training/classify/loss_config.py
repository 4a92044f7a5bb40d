"""Which loss over the taxonomy, and its options: those of another loss are errors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

LossName = Literal["hace", "hce", "hxe", "soft_labels", "cross_entropy"]

# dilution is checked with optim.lr_pairing, under which every loss knows its partner's
_OPTIONS: dict[str, tuple[str, ...]] = {
    "hace": ("label_smoothing", "horizontal", "beta", "root", "normalized"),
    "hce": ("label_smoothing",),
    "hxe": ("label_smoothing", "alpha", "normalized"),
    "soft_labels": ("beta",),
    "cross_entropy": ("label_smoothing",),
}
_NEEDED = {"hace": "dilution", "hxe": "alpha", "soft_labels": "beta"}
_COMMON = ("name", "head", "dilution")


@dataclass(frozen=True)
class ClassLossConfig:
    """A loss of `hyperdml.hace`, or cross-entropy over the leaves.

    Attributes:
        name: "hace" (`HACELoss`), "hce" (`HCELoss`), "hxe" (`HXELoss`), "soft_labels" (`SoftLabelLoss`) or
            "cross_entropy".
        head: "all_nodes", a logit a node, or "leaves"; "auto" is all_nodes for hace and hce as published, else leaves.
        dilution: of hace, from 0 to below 1. For another loss that of the HACE run beside it, see `optim.lr_pairing`.
        label_smoothing: eps of the uniform smoothing over the leaves; not for soft_labels.
        horizontal: of hace: "uniform", or "lca" for soft labels before the dilution.
        beta: of soft_labels, and of hace with horizontal=lca.
        alpha: of hxe.
        root: of hace in forests: "absorb" or "virtual".
        normalized: of hace, each label's weights sum to 1; of hxe, the factor of the authors' script.

    Raises:
        ValueError: an option that the loss does not have, or none that it needs.
    """

    name: LossName = "cross_entropy"
    head: Literal["auto", "all_nodes", "leaves"] = "auto"
    dilution: float | None = None
    label_smoothing: float = 0.0
    horizontal: Literal["uniform", "lca"] = "uniform"
    beta: float | None = None
    alpha: float | None = None
    root: Literal["absorb", "virtual"] = "absorb"
    normalized: bool = False

    def __post_init__(self) -> None:
        allowed = _OPTIONS.get(self.name)
        if allowed is None:
            raise ValueError(f"loss.name must be one of {', '.join(_OPTIONS)}, got {self.name!r}")
        for option in fields(self):
            value = getattr(self, option.name)
            if value != option.default and option.name not in (*_COMMON, *allowed):
                owners = " and ".join(name for name, options in _OPTIONS.items() if option.name in options)
                raise ValueError(
                    f"loss.{option.name} is an option of {owners}, got {value!r} with loss.name={self.name}"
                )
        needed = _NEEDED.get(self.name)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"loss.name={self.name} needs loss.{needed}")
        if self.dilution is not None and not 0 <= self.dilution < 1:
            raise ValueError(f"loss.dilution must be from 0 to below 1, got {self.dilution!r}")
