"""Classes of pytorch-metric-learning by name, and the distances that they are given."""

from __future__ import annotations

import difflib
import inspect
from types import ModuleType
from typing import Any, Literal

from pytorch_metric_learning import distances

from hyperdml.errors import ConfigError
from hyperdml.integrations.poincare_distance import PoincareDistance

DistanceName = Literal["poincare", "cosine", "euclidean"]


def find_class(name: str, library: ModuleType, base: type, ours: tuple[type, ...], key: str) -> Any:
    """A class of the library, or one of ours, by name.

    Args:
        name: class name.
        library: `losses` or `miners` of the library.
        base: class that it has to extend, itself left out.
        ours: further classes.
        key: "loss" or "miner", for messages.

    Raises:
        ConfigError: there is none of that name.
    """
    known = {
        found: value
        for found, value in vars(library).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    } | {kind.__name__: kind for kind in ours}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        place = "metric_loss.name" if key == "loss" else "metric_loss.miner"
        raise ConfigError(f"{place}: pytorch-metric-learning has no {key} {name!r}{hint}")
    return known[name]


def distance_argument(kind: Any, name: DistanceName | None, c: float) -> dict[str, Any]:
    """Constructor argument of a loss or miner for a distance by name.

    Args:
        kind: class of the loss or miner. The Poincaré distance comes as a similarity where its own one is one.
        name: "poincare", "cosine", "euclidean" (of normalised embeddings), or None for its own one, which for our
            classes is the Poincaré distance.
        c: curvature magnitude.

    Returns:
        The argument `distance`; empty where the class's own is to be used.
    """
    own = kind.get_default_distance(kind.__new__(kind))
    if name == "poincare" or (name is None and isinstance(own, PoincareDistance)):
        return {"distance": PoincareDistance(c, is_inverted=own.is_inverted)}
    if name is None:
        return {}
    return {"distance": distances.CosineSimilarity() if name == "cosine" else distances.LpDistance()}
