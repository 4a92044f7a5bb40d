"""Which parameters decay: all, or all but vectors and tokens."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

Parts = list[tuple[str, list[nn.Parameter], float]]
"""Name of a group, its parameters and their weight decay."""


def decay_parts(name: str, module: nn.Module, backbone: str, weight_decay: float, decay_norms: bool) -> Parts:
    """The trained parameters of a module by their weight decay.

    Args:
        name: of the group.
        module: whose parameters with a gradient are taken.
        backbone: path of the timm model in the module ("" for the module itself); what its `no_weight_decay` names
            (tokens, position tables) are vectors too.
        weight_decay: of the group.
        decay_norms: vectors (norms, biases, tokens, scales) decay like the rest.

    Returns:
        Group `name`, and with decay_norms false `name/no_decay` for the vectors; without empty ones.
    """
    trained = {key: p for key, p in module.named_parameters() if p.requires_grad}
    exempt = set() if decay_norms else vectors(trained, module.get_submodule(backbone), backbone)
    parts = [
        (name, [p for key, p in trained.items() if key not in exempt], weight_decay),
        (f"{name}/no_decay", [p for key, p in trained.items() if key in exempt], 0.0),
    ]
    return [part for part in parts if part[1]]


def vectors(trained: Mapping[str, nn.Parameter], backbone: nn.Module, path: str) -> set[str]:
    """Names of the parameters that are vectors, or that timm's `no_weight_decay` of the backbone at `path` names."""
    listed = getattr(backbone, "no_weight_decay", None)
    named = {f"{path}.{key}".lstrip(".") for key in listed()} if callable(listed) else set()
    return {key for key, p in trained.items() if p.ndim <= 1 or key in named}
