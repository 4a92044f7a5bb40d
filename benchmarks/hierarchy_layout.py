"""The page of `hierarchy_evidence.py`: what was found in words, above the tables that it was counted from."""

from __future__ import annotations

from collections.abc import Sequence

from hierarchy_arms import EUCLIDEAN, FREE, HYP
from hierarchy_levels import DRAWS, SEEDS, Tried, levels_table
from hierarchy_order import Ordered
from hierarchy_page import (
    GEOMETRY,
    KINDS,
    against,
    difference_table,
    null_table,
    of_distances,
    of_pairs,
    of_proxies,
    of_retrieval,
    order_table,
    retrieval_table,
    score_tables,
)
from hierarchy_scored import CLASSES, HELD, IMAGES, Scored, arms_of
from hierarchy_statements import statements


def page(scored: Sequence[Scored], order: Sequence[Ordered], tried: Sequence[Tried]) -> str:
    """Markdown of everything.

    Args:
        scored: every tree of every run.
        order: what radii add to proxies.
        tried: levels of the default mode, on the validation classes.
    """
    seeds = sorted({one.seed for one in scored})
    parts = [
        INTRODUCTION.format(seeds=", ".join(map(str, seeds)), arms=len(arms_of(scored, IMAGES)) - 1),
        "## What can be trusted, and what cannot",
        *statements(scored, order, tried),
        LIMITS,
        "## How to read the tables",
        READING,
    ]
    for kind, title in KINDS.items():
        parts += [f"## {title}", score_tables(scored, kind), difference_table(against(scored, kind))]
    parts += [
        "## Learned proxies against the other trees of the same runs",
        difference_table(of_proxies(scored)),
        "## Geometry",
        GEOMETRY_TEXT,
        *(difference_table(of_pairs(scored, kind, GEOMETRY)) for kind in (IMAGES, CLASSES)),
        "## Hyperbolic distance minus cosine, of the same points",
        *(f"{KINDS[kind]}.\n\n{difference_table(of_distances(scored, kind))}" for kind in (IMAGES, CLASSES)),
        "## What radii add to a tree of proxies",
        ORDER_TEXT,
        order_table(order),
        "## More levels, on the validation classes",
        LEVELS_TEXT,
        levels_table(tried),
        "## Retrieval beside",
        retrieval_table(scored),
        difference_table(of_retrieval(scored), 100),
    ]
    return "\n\n".join(parts)


def nulls_page(scored: Sequence[Scored], command: str) -> str:
    """Markdown of every figure beside all of its null models, a page of its own.

    Args:
        scored: every tree of every run.
        command: that prints the page.
    """
    parts = ["# Every null model of the hierarchy evidence", f"`{command}`", NULLS]
    for kind, title in KINDS.items():
        parts += [f"## {title}", null_table(scored, kind)]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """Trees over the test images of the bundled emoji, whose classes no arm was trained on, scored against
Unicode's levels of these classes (group, subgroup, class) with `hyperdml.tree.hierarchy.hierarchy_of`. {arms} arms
and the untrained backbone, seeds {seeds}, heads on a frozen EfficientNet-Lite0; hyperparameters as `paper_tables.py
--choose` and `hierarchy_evidence.py --choose` chose them on validation classes. No arm but the one with HACE saw a
taxonomy, and that one saw the taxonomy of the training classes, whose groups and subgroups are mostly those of the
test classes too. Everything below is printed by the command above, the sentences with their figures too."""

READING = f"""A cell is the mean over seeds ± its standard deviation; in brackets the mean ± standard deviation of the
draws of the null model that is hardest to beat (L labels or leaves shuffled, D images or proxies in random
directions, R radii permuted) and the mean z, the distance from it in standard deviations of its draws. **n.d.**
k/n: in k of n seeds the score is within two standard deviations of a null model or worse, so *not distinguishable
from chance*. All null models of all figures are on [another page](hierarchy_evidence_nulls.md), those of every seed
in the JSON file. Differences are paired by seed, with 95 % t intervals over seeds that stand each by itself; *
marks those that hold after Holm's correction over their table (p < {HELD})."""

GEOMETRY_TEXT = f"""{HYP} and its spherical twin differ in the distance of the loss, {FREE} and {EUCLIDEAN} in nothing
but curvature (c = 0.1, and c = 0.0001 with as good as no clipping, where the ball is flat; both with the scaled
head, whose radii are free), HIER and its flat twin in the space of the proxies. First images, then classes."""

ORDER_TEXT = """Dendrogram purity of trees over the same proxies and the same cells of images: the cells alone, under
the nearest proxy that comes before in a random order, under the nearest of smaller radius with the radii permuted,
under the nearest of smaller radius as they are, and under average linkage of the proxies, which knows no radius and
tells what these proxies can give. z against permuted radii."""

LEVELS_TEXT = f"""Mode "default" of HIER by its levels, seeds {", ".join(map(str, SEEDS))}, {DRAWS} draws, scored on
the validation classes; "minus permuted" with its 95 % interval. The arm with doubling levels takes the third row:
the last is better still, with more proxies and more time a step."""

LIMITS = """**What nobody should read into this.** Heads alone were trained, on features that know ImageNet; one split
of the classes, so that intervals say what other seeds would give and not what other classes would; one taxonomy,
whose groups were made for keyboards and only in part by looks; a few thousand drawings. Figures of cuts depend on
where a tree is cut, which purity does not. Scores of trees of different kinds are not comparable where they see
different things: linkage sees the test images, proxies do not."""

NULLS = """The figures of [hierarchy_evidence.md](hierarchy_evidence.md): in bold the mean over seeds, below it every
null model with the mean ± standard deviation of its draws and z, means over seeds."""
