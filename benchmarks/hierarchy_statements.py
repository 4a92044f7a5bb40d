"""What can be trusted of the hierarchies that `hierarchy_evidence.py` found, counted from the scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hierarchy_arms import DEFAULT, DOUBLING, HACE, OFFICIAL, PA, PAPER, UNTRAINED
from hierarchy_levels import Tried
from hierarchy_order import LEARNED as BY_RADIUS
from hierarchy_order import LINKED, MOVED, STAR, Ordered
from hierarchy_page import GEOMETRY, KINDS, OWN, TESTED, against, of_distances, of_pairs, of_proxies, of_retrieval
from hierarchy_scored import CLASSES, FITTED, IMAGES, LEARNED, VOTED, Difference, Scored, arms_of

from hyperdml.metrics.trees.nulls import ABOVE, BELOW, BEYOND, z_text
from hyperdml.metrics.trees.tree_scores_result import GROMOV, RADIUS_LEVEL, RADIUS_SIZE, FigureRow, NullRow
from hyperdml.training.tables import markdown_table


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
        "Does hyperbolic distance give the better tree of the same points?": _distances(scored),
        "Are figures of a tree by itself evidence?": _own(scored),
        "Do the learned proxies span a hierarchy?": _proxies(scored),
        "Do their radii matter, and does the default mode beat its nulls?": _radii(order, tried),
        "Does the loss's own definition of an ancestor give a tree?": _votes(scored),
    }
    return [f"**{question}** {answer}" for question, answer in answers.items()]


def _real(scored: Sequence[Scored]) -> str:
    own = _rows(scored, IMAGES)
    found = [(arm, null) for arm, row in own for null in row.nulls if not _of_radii(null) and null.z is not None]
    arm, least = min(found, key=lambda pair: pair[1].z or 0.0)
    means = {name: np.mean([row.value for arm, row in own if row.name == name and arm == PA]) for name in TESTED}
    return (
        f"{_count(null.verdict == ABOVE for _, null in found)} comparisons of trees of images with shuffled labels and "
        f"random directions are above chance, those of the {UNTRAINED} included; the least by {z_text(least.z)} "
        f"({arm}). So large a z says only that the draws hardly vary: look at how far the scores are from 1. Those of "
        f"{PA} are {_list(f'{TESTED[name]} {value:.2f}' for name, value in means.items())}."
    )


def _gained(scored: Sequence[Scored]) -> str:
    found = {kind: of_pairs(scored, kind, [(PA, UNTRAINED)]) for kind in (IMAGES, CLASSES)}
    texts = [f"{KINDS[kind].lower()}: {_words(own)}" for kind, own in found.items()]
    return f"{PA} minus the {UNTRAINED} under its head as it starts, {'. In '.join(texts)}."


def _changed(scored: Sequence[Scored], arms: Sequence[str]) -> str:
    rows = {f"{arm} minus {PA}": arm for arm in arms}
    found = [(kind, one) for kind in (IMAGES, CLASSES, FITTED) for one in against(scored, kind) if one.row in rows]
    held = [f"{rows[one.row]}, {kind}: {_figure(one)}" for kind, one in found if one.holds]
    gains = [one for one in of_retrieval(scored) if one.row in rows and one.figure == "H-AP"]
    retrieval = _list(
        f"{100 * one.difference.mean:+.1f}{' (holds)' if one.holds else ''} {rows[one.row]}" for one in gains
    )
    return (
        f"{_verdict(len(held))} Of {len(found)} differences to {PA} in trees of images, classes and k-means proxies "
        f"{len(held)} hold after correction{': ' if held else ''}{'; '.join(held)}. {_single(one for _, one in found)} "
        f"Retrieval over the levels, H-AP in points: {retrieval}."
    )


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
    held = [f"{one.row}, {kind}: {_figure(one)}" for kind, one in found if one.holds]
    return (
        f"{_verdict(len(held))} Of {len(found)} differences between arms and their twins without curvature {len(held)} "
        f"hold after correction{': ' if held else ''}{'; '.join(held)}. {_single(one for _, one in found)}"
    )


def _distances(scored: Sequence[Scored]) -> str:
    parts = []
    for kind in (IMAGES, CLASSES):
        own = of_distances(scored, kind)
        held = [one.difference.mean for one in own if one.holds]
        parts.append(
            f"{KINDS[kind]}, minus cosine: {sum(mean > 0 for mean in held)} of {len(own)} differences are above 0 "
            f"after correction and {sum(mean < 0 for mean in held)} below. {_single(own)}"
        )
    radii = [null for _, row in _rows(scored, CLASSES) for null in row.nulls if _of_radii(null)]
    return (
        f"{' '.join(parts)} Under the released head all images lie at one radius, where hyperbolic distance has the "
        "order of cosine and only the averages of a linkage differ. Midpoints of classes have radii, but these tell "
        "nothing of the taxonomy: against radii permuted among the classes "
        f"{_count(null.verdict == ABOVE for null in radii)} comparisons are above chance and "
        f"{sum(null.verdict == BELOW for null in radii)} below."
    )


def _own(scored: Sequence[Scored]) -> str:
    parts = []
    for name in (RADIUS_SIZE, RADIUS_LEVEL, GROMOV):
        rows = [row for kind in (IMAGES, CLASSES) for _, row in _rows(scored, kind, (name,))]
        nulls = [(row, null) for row in rows for null in row.nulls if "directions" in null.name]
        worse = _count((null.mean > row.value) == (row.better == "higher") for row, null in nulls)
        parts.append(f"{OWN[name].removesuffix(' (low)')} {worse}")
    return (
        "Not these. Trees of points in random directions have the better figure, in trees of images and classes: "
        f"{_list(parts)}. Radii of midpoints fall with the size of a subtree in any linkage, and random points in many "
        "dimensions have a small Gromov delta."
    )


def _proxies(scored: Sequence[Scored]) -> str:
    found, parts = of_proxies(scored), []
    for arm in arms_of(scored, LEARNED):
        rows = [row for name, row in _rows(scored, LEARNED) if name == arm]
        held = [one.difference.mean for one in found if one.row.startswith(f"{arm}: minus k-means") and one.holds]
        parts.append(
            f"{arm}: {_count(row.beats for row in rows)} scores are above all of their nulls; against k-means "
            f"proxies fitted afterwards {sum(mean > 0 for mean in held)} of {len(TESTED)} differences are above 0 "
            f"after correction and {sum(mean < 0 for mean in held)} below."
        )
    images = [one for one in found if one.row.endswith(f"minus {IMAGES}")]
    below = _count(one.holds and one.difference.mean < 0 for one in images)
    return (
        f"{' '.join(parts)} Against linkage of the test images themselves {below} differences are below 0 after "
        "correction."
    )


def _radii(order: Sequence[Ordered], tried: Sequence[Tried]) -> str:
    lines = []
    for arm, kind in dict.fromkeys((one.arm, one.proxies) for one in order):
        own = [one for one in order if (one.arm, one.proxies) == (arm, kind)]
        mine, most = (np.array([one.z(way, MOVED) for one in own]) for way in (BY_RADIUS, LINKED))
        gain = np.mean([np.subtract(one.purity[BY_RADIUS], one.purity[STAR]) for one in own], 0)
        cells = [
            f"{mine[:, level].mean():.1f} ({sum(mine[:, level] > BEYOND)}/{len(own)}); {most[:, level].mean():.1f}; "
            f"{gain[level]:+.3f}"
            for level in range(len(own[0].levels))
        ]
        lines.append([f"{arm}, {kind}", *reversed(cells)])
    valid = {
        one.levels: [z for other in tried if other.levels == one.levels for z in other.z.values()] for one in tried
    }
    means = _list(f"{np.mean([z for z in found if z is not None]):.1f} with {name}" for name, found in valid.items())
    return (
        "For every level of the taxonomy: z of dendrogram purity against permuted radii, mean over seeds (seeds beyond "
        f"{BEYOND:.0f}); that of average linkage of the same proxies; what the tree adds to the purity of its cells "
        f"alone.\n\n{markdown_table(['proxies', *reversed(order[0].levels)], lines)}\n\n"
        "This null is hard by nature. With permuted radii every proxy still hangs from a near one, which clusters too, "
        "and the few that come to lie on top make the draws differ much. Linkage of the same proxies, which needs no "
        "radii, shows about what an order of them can give. Where a tree adds nothing to its cells a large z only says "
        "that permuted radii move the cells. The remedy that was found is more levels, so that a proxy has more "
        f"candidates of the right size above it: on the validation classes the mean z is {means}. What else was tried "
        "is in [radii](radii.md)."
    )


def _votes(scored: Sequence[Scored]) -> str:
    parts = []
    for arm in arms_of(scored, VOTED):
        nulls = [null for name, row in _rows(scored, VOTED) if name == arm for null in row.nulls if _of_radii(null)]
        parts.append(f"{arm} {_count(null.verdict == ABOVE for null in nulls)}")
    return f"Scores above permuted radii: {'; '.join(parts)}. Look at the tree by radius instead."


def _verdict(held: int) -> str:
    return "In part." if held else "Not that these seeds can show."


def _single(found: Iterable[Difference]) -> str:
    """How many intervals exclude 0 before any correction."""
    gaps = [one.difference for one in found]
    above, below = sum(gap.low > 0 for gap in gaps), sum(gap.high < 0 for gap in gaps)
    return f"Single 95 % intervals, uncorrected, lie above 0 in {above} of {len(gaps)} and below in {below}."


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


def _figure(one: Difference) -> str:
    return f"{TESTED[one.figure]} {one.difference.mean:+.3f}"


def _count(found: Iterable[bool]) -> str:
    """How many of how many, as "3 of 7"."""
    known = [bool(one) for one in found]
    return f"{sum(known)} of {len(known)}"


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
