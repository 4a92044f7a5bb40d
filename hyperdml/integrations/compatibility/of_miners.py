"""What each miner of the library does with the Poincaré distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pytorch_metric_learning import miners

from hyperdml.integrations.compatibility.trial import (
    CURVATURES,
    LABELS,
    build,
    classes_of,
    points,
    quiet_and_seeded,
    reason,
    tangents,
)
from hyperdml.integrations.poincare_distance import PoincareDistance

# thresholds that are distances; for a similarity they change sign
_THRESHOLDS = {"PairMarginMiner": {"pos_margin": 2.0, "neg_margin": 4.0}}
_RANDOM = ("UniformHistogramMiner",)

_NOTES = {
    "EmbeddingsAlreadyPackagedAsTriplets": "takes the batch as it is ordered",
    "MultiSimilarityMiner": "`epsilon` is a difference of distances",
    "PairMarginMiner": "distances: margins of several units; inverted: negative margins",
    "TripletMarginMiner": "`margin` is a difference of distances",
}


class MinerVerdict(NamedTuple):
    """Outcome of the trials of one miner: "yes", or the way in which it fails.

    Attributes:
        name: class name.
        distance: with `PoincareDistance()`.
        inverted: with `PoincareDistance(is_inverted=True)`; "yes" means the same tuples.
        note: what to know.
    """

    name: str
    distance: str
    inverted: str
    note: str


def miner_verdicts() -> list[MinerVerdict]:
    """Try every miner of the installed version."""
    with quiet_and_seeded():
        return [_verdict(name, kind) for name, kind in classes_of(miners, miners.BaseMiner).items()]


def _verdict(name: str, kind: type) -> MinerVerdict:
    thresholds = _THRESHOLDS.get(name, {})

    def given(inverted: bool) -> Callable[[float], Any]:
        sign = -1 if inverted else 1
        options = {key: sign * value for key, value in thresholds.items()}
        return lambda c: build(kind, distance=PoincareDistance(c, is_inverted=inverted), **options)

    plain, inverted = _try(given(False)), _try(given(True))
    if plain == inverted == "yes" and name not in _RANDOM and _mined(given(False)) != _mined(given(True)):
        inverted = "wrong way"
    note = "; ".join(part for part in (_NOTES.get(name, ""), plain.partition(": ")[2]) if part)
    return MinerVerdict(name, plain.partition(":")[0], inverted.partition(":")[0], note)


def _try(make: Callable[[float], Any]) -> str:
    """Whether the distance decides what is mined: "yes", or what goes wrong."""
    try:
        found, other = _mined(make), _mined(make, CURVATURES[1])
    except Exception as error:  # miners raise whatever comes up when a distance does not suit them
        why = reason(error)
        return f"refuses: {why}" if why else "refuses"
    if not found:
        return "nothing mined"
    return "ignores it" if found == other else "yes"


def _mined(make: Callable[[float], Any], c: float = CURVATURES[0]) -> set[tuple[int, ...]]:
    """The tuples that a miner finds, pairs marked by their kind."""
    miner = make(c)
    torch.manual_seed(0)
    found = [part.tolist() for part in miner(points(tangents()), LABELS)]
    if len(found) == 3:
        return set(zip(*found, strict=True))
    kinds = (zip(*found[start : start + 2], strict=True) for start in (0, 2))
    return {(kind, *pair) for kind, pairs in enumerate(kinds) for pair in pairs}
