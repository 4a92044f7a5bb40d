"""Data sets and losses of classification recipes."""

from __future__ import annotations

from hyperdml.training.recipe_part import Part, Values


def _files(name: str) -> Values:
    return {
        "workers": (8, "ours"),
        "data.name": (name, ""),
        "data.image_size": (224, "ours"),
        "crop.kind": ("resized", "ours"),
    }


DATA = {
    "cifar100": Part(
        "CIFAR-100",
        {
            "data.name": ("cifar100", ""),
            "data.image_size": (224, "ours: the size that the net is made for"),
            "crop.kind": ("padded", "ours: He et al. 2016, Sec. 4.2"),
        },
    ),
    "aircraft": Part("FGVC-Aircraft", _files("aircraft")),
    "nabirds": Part("NABirds", _files("nabirds")),
    "emoji": Part(
        "the bundled emoji, one drawing family held out",
        {"data.name": ("emoji", ""), "crop.kind": ("affine", "ours")},
    ),
}

_SMOOTHING = {"loss.label_smoothing": (0.1, "ours: Szegedy et al. 2016")}
_HACE = {"loss.name": ("hace", ""), "loss.dilution": (0.5, "ours: no value is the paper's")}


def _beta(value: float) -> Values:
    return {"loss.beta": (value, "ours: one of those in Bertinetto et al. 2020")}


def _hxe(alpha: float) -> Values:
    return {"loss.name": ("hxe", ""), "loss.alpha": (alpha, "ours: one of those in Bertinetto et al. 2020")}


_LCA = {"loss.horizontal": ("lca", "")}
_SOFT = {"loss.name": ("soft_labels", "")}
_CE = {"loss.name": ("cross_entropy", "")}

LOSSES = {
    "hace": Part("HACE", _HACE),
    "hace-ls": Part("HACE and label smoothing", {**_HACE, **_SMOOTHING}),
    "hace-soft": Part("HACE and soft labels, near one-hot", {**_HACE, **_LCA, **_beta(30)}),
    "hace-soft-wide": Part("HACE and soft labels, wide", {**_HACE, **_LCA, **_beta(4)}),
    "ce": Part("cross-entropy", _CE),
    "ls": Part("cross-entropy and label smoothing", {**_CE, **_SMOOTHING}),
    "soft": Part("soft labels, near one-hot", {**_SOFT, **_beta(30)}),
    "soft-wide": Part("soft labels, wide", {**_SOFT, **_beta(4)}),
    "hxe": Part("HXE, near cross-entropy", _hxe(0.1)),
    "hxe-steep": Part("HXE, steep", _hxe(0.5)),
    "hce": Part("HCE", {"loss.name": ("hce", "")}),
}
