"""What can be trusted of the hierarchies that `hierarchy_evidence.py` found, counted from the scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hierarchy_arms import DEFAULT, DOUBLING, FINE_LEVELS, HACE, OFFICIAL, PA, PAPER, UNTRAINED
from hierarchy_levels import Tried
from hierarchy_order import LEARNED as BY_RADIUS
from hierarchy_order import LINKED, MOVED, Ordered
from hierarchy_page import GEOMETRY, KINDS, OWN, TESTED, against, of_distances, of_pairs, of_proxies, of_retrieval
from hierarchy_scored import CLASSES, FITTED, IMAGES, LEARNED, VOTED, Difference, Scored, arms_of

from hyperdml.hier.fit import LEVELS
from hyperdml.metrics.trees.nulls import ABOVE, BELOW, z_text
from hyperdml.metrics.trees.tree_scores_result import GROMOV, RADIUS_LEVEL, RADIUS_SIZE, FigureRow, NullRow


def statements(scored: Sequence[Scored], order: Sequence[Ordered], tried: Sequence[Tried]) -> list[str]:
    """What was found, one paragraph a question.

    Args:
        scored: every tree of every run.
        order: what radii add to proxies.
        tried: levels of the default mode, on the validation classes.
    """
    hier = (OFFICIAL, PAPER, DEFAULT, DOUBLING)
    answers = {
        "Is there a hierarchy of unseen classes in the embeddings?": _real(scored),
        "What does training add?": _gained(scored),
        "Does HIER put more hierarchy into the embeddings?": f"{_changed(scored, hier)} {_seen(scored, hier)}",
        "Does HACE, which is told the taxonomy of the training classes?": _changed(scored, (HACE,)),
        "Does curvature matter?": _curved(scored),
        "Are figures of a tree by itself evidence?": _own(scored),
        "Do the learned proxies span a hierarchy?": _proxies(scored),
        "Do their radii matter?": _radii(order),
        "Does the default mode of HIER beat its nulls?": _levels(order, tried),
        "Does the loss's own definition of an ancestor give a tree?": _votes(scored),
    }
    return [f"**{question}** {answer}" for question, answer in answers.items()]


def _real(scored: Sequence[Scored]) -> str:
    own = _rows(scored, IMAGES)
    found = [(arm, null) for arm, row in own for null in row.nulls if not _of_radii(null) and null.z is not None]
    arm, least = min(found, key=lambda pair: pair[1].z or 0.0)
    means = {name: np.mean([row.value for arm, row in own if row.name == name and arm == PA]) for name in TESTED}
    radii = [null for _, row in _rows(scored, CLASSES) for null in row.nulls if _of_radii(null)]
    return (
        f"{_count(null.verdict == ABOVE for _, null in found)} comparisons of trees of images with shuffled labels and "
        f"random directions are above chance, the {UNTRAINED} included; the least by {z_text(least.z)} ({arm}). So "
        "large a z says only that the draws hardly vary: look at how far the scores are from 1. Those of "
        f"{PA} are {_list(f'{TESTED[name]} {value:.2f}' for name, value in means.items())}. In trees of classes the "
        "radii of the midpoints tell nothing: against permuted radii "
        f"{_count(null.verdict == ABOVE for null in radii)} comparisons are above chance and "
        f"{sum(null.verdict == BELOW for null in radii)} below."
    )


def _gained(scored: Sequence[Scored]) -> str:
    found = {kind: of_pairs(scored, kind, [(PA, UNTRAINED)]) for kind in (IMAGES, CLASSES)}
    texts = [f"{KINDS[kind].lower()}: {_words(own)}" for kind, own in found.items()]
    return f"{PA} minus the {UNTRAINED} under its head as it starts, {'; '.join(texts)}."


def _changed(scored: Sequence[Scored], arms: Sequence[str]) -> str:
    rows = {f"{arm} minus {PA}": arm for arm in arms}
    parts = []
    for kind in (IMAGES, CLASSES, FITTED):
        own = [one for one in against(scored, kind) if one.row in rows]
        held = _list(f"{rows[one.row]} {_figure(one)}" for one in own if one.holds)
        parts.append(f"{KINDS[kind].lower()}: {held or f'none of {len(own)} differences holds'}")
    found = [one for one in of_retrieval(scored) if one.row in rows and one.holds]
    retrieval = _list(f"{rows[one.row]} {_figure(one, 100)}" for one in found)
    return f"Minus {PA}, after correction, {'; '.join(parts)}; retrieval, in points: {retrieval or 'nothing holds'}."


def _seen(scored: Sequence[Scored], arms: Sequence[str]) -> str:
    rows = {f"{arm} minus {PA}" for arm in arms}
    found = [one.difference for kind in (IMAGES, CLASSES) for one in against(scored, kind) if one.row in rows]
    width = np.median([(gap.high - gap.low) / 2 for gap in found])
    return (
        f"Trees differ from seed to seed: half an interval is {width:.3f} in the median, and smaller gains could not "
        "be seen."
    )


def _curved(scored: Sequence[Scored]) -> str:
    found = [(kind, one) for kind in (IMAGES, CLASSES) for one in of_pairs(scored, kind, GEOMETRY)]
    held = [f"{one.row} in {kind}: {_figure(one)}" for kind, one in found if one.holds]
    parts = []
    for kind in (IMAGES, CLASSES):
        own = of_distances(scored, kind)
        above, below = sum(one.difference.low > 0 for one in own), sum(one.difference.high < 0 for one in own)
        parts.append(
            f"{KINDS[kind].lower()}: {_count(one.holds for one in own)} hold after correction, uncorrected intervals "
            f"lie above 0 in {above} and below in {below}"
        )
    return (
        f"Of {len(found)} differences between arms and their twins without curvature "
        f"{f'these hold: {_list(held)}' if held else 'none holds'}. Hyperbolic distance minus cosine of the same "
        f"points, {'; '.join(parts)}. Under the released head all images lie at one radius, where hyperbolic distance "
        "has the order of cosine, and only the averages of a linkage differ."
    )


def _own(scored: Sequence[Scored]) -> str:
    parts = []
    for name in (RADIUS_SIZE, RADIUS_LEVEL, GROMOV):
        rows = [row for kind in (IMAGES, CLASSES) for _, row in _rows(scored, kind, (name,))]
        nulls = [(row, null) for row in rows for null in row.nulls if "directions" in null.name]
        worse = _count((null.mean > row.value) == (row.better == "higher") for row, null in nulls)
        parts.append(f"{OWN[name].removesuffix(' (low)')} in {worse}")
    return (
        "Not these: trees of random directions have the better figure, of trees of images and classes, for "
        f"{_list(parts)}. Radii of midpoints fall with the size of a subtree in any linkage, and random points in many "
        "dimensions have a small Gromov delta."
    )


def _proxies(scored: Sequence[Scored]) -> str:
    found, parts = of_proxies(scored), []
    for arm in arms_of(scored, LEARNED):
        rows = [row for name, row in _rows(scored, LEARNED) if name == arm]
        own = [one for one in found if one.row.startswith(f"{arm}: minus k-means")]
        parts.append(
            f"{arm}: {_count(row.beats for row in rows)} scores are above all of their nulls; minus k-means proxies "
            f"fitted afterwards {_words(own)}."
        )
    images = [one for one in found if one.row.endswith(f"minus {IMAGES}")]
    below = _count(one.holds and one.difference.mean < 0 for one in images)
    return f"{' '.join(parts)} Below linkage of the images themselves, which sees the test images, are {below}."


def _radii(order: Sequence[Ordered]) -> str:
    parts = []
    for arm, kind in dict.fromkeys((one.arm, one.proxies) for one in order):
        own = [one for one in order if (one.arm, one.proxies) == (arm, kind)]
        mine, most = (np.mean([one.z(way, MOVED) for one in own], 0) for way in (BY_RADIUS, LINKED))
        texts = [f"{level} {a:.1f} ({b:.1f})" for level, a, b in zip(own[0].levels, mine, most, strict=True)]
        parts.append(f"{arm}, {kind}: {_list(texts)}")
    return (
        "Mean z of purity against permuted radii, in brackets that of average linkage of the same proxies, which "
        f"needs no radii: {'; '.join(parts)}. This null is hard by nature: with permuted radii every proxy still hangs "
        "from a near one, which clusters too, and the few that come to lie on top make the draws differ much. The "
        "number in brackets says about what radii could reach."
    )


def _levels(order: Sequence[Ordered], tried: Sequence[Tried]) -> str:
    def scores(arm: str) -> str:
        own = [one for one in order if (one.arm, one.proxies) == (arm, "learned")]
        z = np.array([one.z(BY_RADIUS, MOVED) for one in own])
        names = zip(own[0].levels, z.mean(0), z.min(0), strict=True)
        return _list(f"{name} {mean:.1f} (least of a seed {least:.1f})" for name, mean, least in names)

    valid = {
        one.levels: [z for other in tried if other.levels == one.levels for z in other.z.values()] for one in tried
    }
    means = _list(f"{np.mean([z for z in found if z is not None]):.1f} {name}" for name, found in valid.items())
    return (
        f"Against permuted radii, with its {len(LEVELS)} levels {_list(map(str, LEVELS))}: z {scores(DEFAULT)}; with "
        f"{len(FINE_LEVELS)} levels that double from {FINE_LEVELS[0]} to {FINE_LEVELS[-1]}: z {scores(DOUBLING)}. The "
        f"levels were chosen on the validation classes, where the mean z by levels is {means}. More levels give a "
        "proxy more candidates of the right size above it. What else was tried is in [radii](radii.md)."
    )


def _votes(scored: Sequence[Scored]) -> str:
    parts = []
    for arm in arms_of(scored, VOTED):
        nulls = [null for name, row in _rows(scored, VOTED) if name == arm for null in row.nulls if _of_radii(null)]
        parts.append(f"{arm} {_count(null.verdict == ABOVE for null in nulls)}")
    return f"Scores above permuted radii: {'; '.join(parts)}. Look at the tree by radius instead."


def _rows(scored: Sequence[Scored], kind: str, names: Iterable[str] = tuple(TESTED)) -> list[tuple[str, FigureRow]]:
    """Arm and figure of every tree of a kind."""
    return [(one.arm, row) for one in scored if one.kind == kind for name in names if (row := one.figure(name))]


def _of_radii(null: NullRow) -> bool:
    return "radii" in null.name


def _words(found: Sequence[Difference]) -> str:
    """What holds of some differences, and what does not."""
    held, rest = ([_figure(one) for one in found if one.holds == holds] for holds in (True, False))
    parts = [f"{_list(part)} {word}" for part, word in ((held, "after correction"), (rest, "within the noise")) if part]
    return "; ".join(parts)


def _figure(one: Difference, scale: float = 1.0) -> str:
    return f"{TESTED.get(one.figure, one.figure)} {scale * one.difference.mean:+.{1 if scale > 1 else 3}f}"


def _count(found: Iterable[bool]) -> str:
    """How many of how many, as "3 of 7"."""
    known = [bool(one) for one in found]
    return f"{sum(known)} of {len(known)}"


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
