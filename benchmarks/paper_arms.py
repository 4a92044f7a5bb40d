"""What the study on the bundled emoji compares: methods, what is tried for each, and the pairs whose difference counts.

Every method is tried in four ways on the validation classes: two learning rates of the head, two values of an option
of its own. A regularised method takes its metric loss's own option from what was chosen for the loss alone. A control
takes everything from the method that it differs from in one thing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from hyperdml.hier.presets import MARGINS
from hyperdml.training.compare import Arm
from hyperdml.training.settings import load_config

RECIPE = "quickstart"
RATE = "optim.head_lr_mult"
RATES = (10, 30)
PA, MS, TRIPLET = "Proxy Anchor", "MS", "triplet loss"
HYP, SPHERE = "Hyp", "Hyp, spherical"
DEFAULT, OFFICIAL = f"{PA} + HIER (default)", f"{PA} + HIER (official)"


def matched(temperature: float, c: float = 0.1, clip_r: float = 2.3) -> float:
    """Temperature of cosine logits as steep as those of hyperbolic distance, for embeddings at a right angle.

    At the clip radius r, ``d = arcosh(1 + a (1 - cos)) / sqrt(c)`` with ``a = sinh(2 sqrt(c) r)^2``, whose slope at
    cos = 0 is ``a / sqrt(c ((1 + a)^2 - 1))``.

    Args:
        temperature: of the distances.
        c: curvature magnitude.
        clip_r: clipping radius.
    """
    a = math.sinh(2 * math.sqrt(c) * clip_r) ** 2
    return temperature * math.sqrt(c) * math.sqrt((1 + a) ** 2 - 1) / a


@dataclass(frozen=True)
class Method:
    """One arm of the study.

    Attributes:
        title: its name.
        settings: beside the recipe's.
        option: what is tried beside the rate, as key=text with {} for the value.
        values: two values of it.
        base: method whose chosen option is taken over.
        control_of: method whose choice is taken over whole; then `values` are what takes the place of its values.
    """

    title: str
    settings: tuple[str, ...]
    option: str
    values: tuple[float, ...]
    base: str | None = None
    control_of: str | None = None

    def tries(self) -> list[tuple[str, ...]]:
        """The settings of every try; none of a control."""
        if self.control_of is not None:
            return []
        return [(f"{RATE}={rate}", self.own(value)) for rate in RATES for value in self.values]

    def carried(self, settings: Sequence[str]) -> tuple[str, ...]:
        """Of a control: its settings, from those that were chosen for the method that it is a control of."""
        method = METHODS[self.control_of or ""]
        place = [method.own(value) for value in method.values].index(settings[1])
        return (settings[0], self.own(self.values[place]))

    def own(self, value: float) -> str:
        """The setting of the method's own option."""
        return self.option.replace("{}", f"{value:.4g}")


_ALONE = ("hier.weight=0",)
_WEIGHTS = (0.5, 1.0)  # of the released scripts, and of the paper


def _loss(title: str, name: str, options: str, values: tuple[float, ...], *settings: str) -> Method:
    return Method(title, (f"metric_loss.name={name}", *_ALONE, *settings), f"metric_loss.options={options}", values)


def _hier(base: str, what: str, *settings: str, scale: float = 1.0) -> Method:
    weights = tuple(scale * weight for weight in _WEIGHTS)
    return Method(f"{base} + {what}", settings, "hier.weight={}", weights, base)


def _control(of: str, what: str, *settings: str, scale: float = 1.0) -> Method:
    return replace(_hier(PA, what, *settings, scale=scale), control_of=of)


def _methods() -> list[Method]:
    official, default = "hier.mode=official", "hier.mode=default"
    spherical, euclidean = "hier.geometry=spherical", "hier.geometry=euclidean"
    # as distances and margin shrink in another geometry, the weight of mode "default" is raised
    on_sphere, in_flat = (MARGINS["hyperbolic"] / MARGINS[name] for name in ("spherical", "euclidean"))
    return [
        _loss(PA, "ProxyAnchorLoss", '{"margin": 0.1, "alpha": {}}', (12, 32)),
        _hier(PA, "HIER (official)", official),
        _hier(PA, "HIER (paper)", "hier.mode=paper"),
        _hier(PA, "HIER (default)", default),
        _control(OFFICIAL, "HIER (official, frozen random proxies)", official, "optim.hier_proxy_lr_mult=0"),
        _control(OFFICIAL, "HIER_sph (official)", official, spherical),
        _control(DEFAULT, "HIER_sph (default)", default, spherical, scale=on_sphere),
        _control(DEFAULT, "HIER in flat space (default)", default, euclidean, scale=in_flat),
        _control(DEFAULT, "triplets of HIER (default)", default, "hier.sample_loss=triplet"),
        _loss(MS, "MultiSimilarityLoss", '{"alpha": 2, "beta": {}, "base": 0.5}', (10, 50)),
        _hier(MS, "HIER (official)", official),
        _hier(MS, "HIER (default)", default),
        _loss(HYP, "HypLoss", '{"temperature": {}}', (0.2, 0.4), "metric_loss.distance=poincare"),
        _loss(
            SPHERE,
            "HypLoss",
            '{"temperature": {}}',
            (matched(0.2), matched(0.4)),
            "metric_loss.distance=cosine",
        ),
        _loss(TRIPLET, "TripletMarginLoss", '{"margin": {}}', (0.1, 0.2)),
    ]


METHODS: Mapping[str, Method] = MappingProxyType({method.title: method for method in _methods()})

PAIRS: tuple[tuple[str, str], ...] = (
    *((title, PA) for title, method in METHODS.items() if method.base == PA),
    (OFFICIAL, f"{PA} + HIER (official, frozen random proxies)"),
    (OFFICIAL, f"{PA} + HIER_sph (official)"),
    (DEFAULT, OFFICIAL),
    (DEFAULT, f"{PA} + HIER_sph (default)"),
    (DEFAULT, f"{PA} + HIER in flat space (default)"),
    (DEFAULT, f"{PA} + triplets of HIER (default)"),
    *((title, MS) for title, method in METHODS.items() if method.base == MS),
    (HYP, SPHERE),
    *((title, PA) for title in (MS, HYP, TRIPLET)),
)
"""Arm and baseline of every difference that is tested."""

FINE_TUNED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        PA: _ALONE,
        OFFICIAL: ("hier.mode=official", "hier.weight=0.5"),
        DEFAULT: ("hier.mode=default", "hier.weight=0.5"),
    }
)
FINE_TUNED_SETTINGS = (
    "optim.freeze_backbone=false",
    "model.freeze_bn=statistics",
    "data.image_size=64",
    "batch.size=90",
    "optim.steps=250",
)
FINE_TUNED_PAIRS = ((OFFICIAL, PA), (DEFAULT, PA), (DEFAULT, OFFICIAL))

COMMON = ("evaluation.draws=2", "evaluation.ks=[1,8]")


@dataclass(frozen=True)
class Choice:
    """What was chosen for a method.

    Attributes:
        settings: the learning rate and the method's own option.
        tries: validation figures of every try, means over seeds, by its settings.
    """

    settings: tuple[str, ...]
    tries: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def method_arm(
    title: str,
    choices: Mapping[str, Choice],
    settings: Sequence[str],
    overrides: Sequence[str],
    name: str | None = None,
) -> Arm:
    """The arm of a method.

    Args:
        title: the method.
        choices: what was chosen for the method that it takes its metric loss from, if there is one.
        settings: its learning rate and own option.
        overrides: settings of all arms.
        name: name of the arm; by default the title.

    Raises:
        ConfigError: a setting is not valid.
    """
    method = METHODS[title]
    taken: tuple[str, ...] = ()
    if method.base is not None:
        base = METHODS[method.base]
        taken = (base.settings[0], *(word for word in choices[method.base].settings if not word.startswith(RATE)))
    words = [*COMMON, *taken, *method.settings, *settings, *overrides]
    return Arm(name or title, load_config(RECIPE, words))


def fine_tuned_arm(title: str, overrides: Sequence[str]) -> Arm:
    """The arm of the fine-tuned comparison, under the recipe's settings: nothing is chosen for it."""
    return Arm(title, load_config(RECIPE, [*COMMON, *FINE_TUNED_SETTINGS, *FINE_TUNED[title], *overrides]))
