"""Metric losses of pytorch-metric-learning by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from pytorch_metric_learning import losses

from hyperdml.errors import ConfigError


def create_metric_loss(
    name: str, num_classes: int, embedding_size: int, options: Mapping[str, Any]
) -> losses.BaseMetricLossFunction:
    """A loss of `pytorch_metric_learning.losses`; classes and width are filled in where the loss asks for them.

    Args:
        name: class name, for example "ProxyAnchorLoss".
        num_classes: number of training classes.
        embedding_size: dimension of the embeddings.
        options: further constructor arguments.

    Returns:
        The loss.

    Raises:
        ConfigError: the library has no such loss, or the loss does not take an option.
    """
    names = [
        key
        for key, value in vars(losses).items()
        if inspect.isclass(value)
        and issubclass(value, losses.BaseMetricLossFunction)
        and value is not losses.BaseMetricLossFunction
    ]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ConfigError(f"metric_loss.name: pytorch-metric-learning has no loss {name!r}{hint}")
    kind = getattr(losses, name)
    # a loss that hands its keyword arguments on takes what the classes above it take
    constructors = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base) and base is not object]
    accepted = {key for constructor in constructors for key in inspect.signature(constructor).parameters}
    filled = {"num_classes": num_classes, "embedding_size": embedding_size}
    arguments = {key: value for key, value in filled.items() if key in accepted}
    try:
        loss: losses.BaseMetricLossFunction = kind(**arguments, **options)
    except Exception as error:  # losses raise whatever comes up when an option is unknown or out of range
        raise ConfigError(
            f"metric_loss.options {dict(options)} do not fit {name}: {error!r} (options of a recipe stay when only the "
            "name is changed; metric_loss.options={} clears them)"
        ) from error
    return loss
