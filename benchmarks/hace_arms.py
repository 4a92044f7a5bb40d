"""The arms that the tables and figures of the HACE paper are made of, from the recipes of `hyperdml recipes`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hace_paper import TABLES, Column

from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.compare import Arm
from hyperdml.training.settings import load_config

BEST_OF = (2, 4, 5, 9, 10, 11)
"""Tables whose cells are the best of several models; the others have one model a cell."""

_SMOOTHINGS = {"no smoothing": "", "label smoothing": "ls", "soft label 1": "soft", "soft label 2": "soft-wide"}
_HXE = {"1": "hxe", "2": "hxe-steep"}


@dataclass(frozen=True)
class Setting:
    """The data sets and nets that tables are made with.

    Attributes:
        data: data sets of the tables, by title.
        nets: nets trained end to end, by title.
        probe: net of linear probing.
        dilutions_on: data of Table 3 and the figures.
        methods_on: data of Tables 4 and 10.
        drawn: net of the figures.
        own: settings beside the recipe's, by net.
    """

    data: Mapping[str, str]
    nets: Mapping[str, str]
    probe: str
    dilutions_on: str
    methods_on: str
    drawn: str
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


PAPER = Setting(
    data={"CIFAR-100": "cifar100", "FGVC": "aircraft", "NABirds": "nabirds"},
    nets={
        "ResNet-18": "resnet18",
        "ResNet-34": "resnet34",
        "ResNet-50": "resnet50",
        "ConvNeXt-T": "convnext_t",
        "ViT-B/16": "vit_b16",
        "Swin-T": "swin_t",
    },
    probe="dinov2_l",
    dilutions_on="aircraft",
    methods_on="nabirds",
    drawn="resnet50",
)

EMOJI = Setting(
    data={"emoji": "emoji"},
    nets={"small ResNet": "small"},
    probe="lite0",
    dilutions_on="emoji",
    methods_on="emoji",
    drawn="small",
    # a seed of all tables takes about a quarter of an hour on two cores
    own={"small": ("data.subset=tiny", "data.image_size=32", "optim.epochs=10"), "lite0": ("optim.epochs=10",)},
)


@dataclass(frozen=True)
class Model:
    """One way to train: a recipe, and the learning rate that A.4 pairs it with.

    Attributes:
        data, net, loss: the recipe's parts.
        dilution: of HACE; of another loss, that of the HACE model it is paired with; None for no partner.
        pairing: value of `optim.lr_pairing`; None for the recipe's learning rate.
    """

    data: str
    net: str
    loss: str
    dilution: float | None = None
    pairing: str | None = None

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        return f"{self.data}-{self.net}-{self.loss}"

    @property
    def settings(self) -> list[str]:
        """What is set beside the recipe."""
        found = [] if self.dilution is None else [f"loss.dilution={json.dumps(self.dilution)}"]
        return found + ([] if self.pairing is None else [f"optim.lr_pairing={self.pairing}"])

    @property
    def name(self) -> str:
        """Its name in the ledger, the one that `hyperdml compare` gives such an arm."""
        return " ".join([self.recipe, *self.settings])


def models(data: str, net: str, loss: str, dilutions: Sequence[float]) -> list[Model]:
    """All models of a loss: with HACE every dilution under both pairings, else the learning rate and all paired ones.

    Args:
        data: recipe name of the data.
        net: recipe name of the net.
        loss: recipe name of the loss.
        dilutions: values of the dilution, D of them.

    Returns:
        2 D models of HACE, D + 1 of another loss.
    """
    if loss.startswith("hace"):
        return [Model(data, net, loss, d, pairing) for d in dilutions for pairing in (None, "ce")]
    return [Model(data, net, loss), *(Model(data, net, loss, d, "hace") for d in dilutions)]


def at_dilution(candidates: Iterable[Model], dilution: float, pairing: str) -> list[Model]:
    """The one of some models of a loss that a dilution and a pairing, "standard" or "adj", point at."""
    return [model for model in candidates if _pair(model, dilution) == pairing]


def rows(number: int, setting: Setting) -> list[str]:
    """Titles of a table's rows: nets, or data sets in linear probing."""
    return list(setting.data if number in (5, 6, 11) else setting.nets)


def columns(number: int, setting: Setting, dilutions: Sequence[float]) -> list[Column]:
    """Heads of a table's columns: the published ones, with our data sets and as many dilutions as there are."""
    if number in (2, 9):
        return [(data, loss) for data in setting.data for loss in ("HACE", "SCE")]
    if number in (3, 6):
        places = range(1, len(dilutions) + 1)
        return [(str(i), pair, loss) for i in places for pair in ("standard", "adj") for loss in ("HACE", "SCE")]
    return list(TABLES[number].columns)


def candidates(number: int, row: str, column: Column, setting: Setting, dilutions: Sequence[float]) -> list[Model]:
    """The models that a cell of a table is the best of.

    Args:
        number: the table.
        row: one of `rows`.
        column: one of `columns`.
        setting: data and nets.
        dilutions: values of the dilution.
    """
    if number in (2, 9):
        return models(setting.data[column[0]], setting.nets[row], _plain(column[1]), dilutions)
    if number in (3, 6):
        data, net = (setting.dilutions_on, setting.nets[row]) if number == 3 else (setting.data[row], setting.probe)
        place, pairing, loss = column
        return at_dilution(models(data, net, _plain(loss), dilutions), dilutions[int(place) - 1], pairing)
    if number in (4, 10):
        return models(setting.methods_on, setting.nets[row], _method(column), dilutions)
    loss = _method(column if column[0] == "HXE" else (column[1], column[0]))
    return models(setting.data[row], setting.probe, loss, dilutions)


def figure_models(setting: Setting, dilutions: Sequence[float]) -> dict[str, list[Model]]:
    """The models that figures 2 and 3 take the best of, by the paper's name of the loss."""
    return {loss: models(setting.dilutions_on, setting.drawn, _plain(loss), dilutions) for loss in ("HACE", "SCE")}


def make_arm(
    model: Model, setting: Setting, roots: Mapping[str, str], overrides: Sequence[str], epochs: int | None
) -> Arm:
    """The arm of a model.

    Args:
        model: the model.
        setting: data and nets.
        roots: folders of the releases, by recipe name of the data.
        overrides: settings of all arms.
        epochs: passes instead of the recipe's, whose warm-up is shortened in proportion; None for the recipe's.

    Raises:
        ConfigError: a setting is not valid.
    """
    words = [*setting.own.get(model.net, ()), *model.settings]
    if model.data in roots:
        words.append(f"data.root={json.dumps(roots[model.data])}")
    if epochs is not None:
        plain = load_config(model.recipe)
        words.append(f"optim.epochs={epochs}")
        if isinstance(plain, ClassifyConfig) and plain.optim.warmup_epochs:
            words.append(f"optim.warmup_epochs={plain.optim.warmup_epochs * epochs / plain.optim.epochs:g}")
    return Arm(model.name, load_config(model.recipe, [*words, *overrides]))


def _plain(loss: str) -> str:
    return "hace" if loss == "HACE" else "ce"


def _method(column: Column) -> str:
    family, way = column
    if family == "HXE":
        return _HXE[way]
    smoothing = _SMOOTHINGS[way]
    if family == "HACE":
        return "-".join(["hace", *([smoothing] if smoothing else [])])
    return smoothing or "ce"


def _pair(model: Model, dilution: float) -> str | None:
    """Which pairing a model stands for at a dilution, or None."""
    if model.dilution == dilution:
        return "adj" if model.pairing == "ce" else "standard"
    return "adj" if model.dilution is None else None
