"""The three modes of HIER: which options each takes, and their values unless told otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from hyperdml.hier.fit import LEVELS, check_levels

Mode = Literal["default", "official", "paper"]

_PUBLISHED: dict[str, Any] = {
    "num_proxies": 512,
    "k": 20,
    "per_anchor": 50,
    "tau": 0.1,
    "margin": 0.1,
    "lca": "softmax",
    "reduction": "mean",
}

OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "default": {
            "levels": LEVELS,
            "per_anchor": 20,
            "margin": None,
            "attraction": 2.0,
            "balance": 1.0,
            "warmup": 100,
        },
        "official": _PUBLISHED,
        "paper": _PUBLISHED,
    }
)
"""Options of each mode with their defaults."""

MARGINS: Mapping[str, float] = MappingProxyType({"hyperbolic": 1.0, "spherical": 0.25, "euclidean": 0.4})
"""Margin of mode "default": an eighth of the distance of two unrelated images (c = 0.1, clip_r = 2.3)."""

_LOWEST = {"num_proxies": 2, "k": 1, "per_anchor": 1, "warmup": 0}
_CHOICES = {"lca": ("softmax", "printed"), "reduction": ("mean", "sum")}


def settle(mode: str, geometry: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a mode: the given ones over its defaults, each checked.

    Args:
        mode: "default", "official" or "paper".
        geometry: "hyperbolic", "spherical" or "euclidean"; decides the default margin of mode "default".
        given: options by name; None means the default.

    Returns:
        Value of every option that the mode has.

    Raises:
        ValueError: the mode or geometry is unknown, an option belongs to another mode, or a value is out of range.
    """
    check_choice("mode", mode, tuple(OPTIONS))
    check_choice("geometry", geometry, tuple(MARGINS))
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in OPTIONS[mode]:
            others = " or ".join(repr(other) for other, names in OPTIONS.items() if name in names)
            raise ValueError(
                f"mode={mode!r} has no option {name!r}, which belongs to mode {others}; it takes "
                f"{', '.join(OPTIONS[mode])}"
            )
    options = {**OPTIONS[mode], **given}
    if options["margin"] is None:
        options["margin"] = MARGINS[geometry]
    for name, value in options.items():
        if name in _LOWEST and (not isinstance(value, int) or value < _LOWEST[name]):
            raise ValueError(f"{name} must be at least {_LOWEST[name]}, a whole number, got {value!r}")
        if name in _CHOICES:
            check_choice(name, value, _CHOICES[name])
        if name == "levels":
            options[name] = check_levels(value)
        if name in ("tau", "margin", "attraction", "balance") and not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
    if options.get("tau", 1) <= 0:
        raise ValueError(f"tau must be positive, got {options['tau']!r}")
    for name in ("attraction", "balance"):
        if options.get(name, 0) < 0:
            raise ValueError(f"{name} must not be negative, got {options[name]!r}")
    if "balance" in options and options["margin"] <= 0:
        raise ValueError(f"margin must be positive in mode={mode!r}, got {options['margin']!r}")
    return options


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
