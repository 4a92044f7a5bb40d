"""`hyperdml eval`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import Reading, embeddings_of, is_embeddings, model_of
from hyperdml.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

    from hyperdml.data import EmbeddingSet


def evaluate(
    source: Path,
    /,
    *,
    data: Path | None = None,
    gallery: Path | None = None,
    metric: Literal["hyperbolic", "cosine", "euclidean"] = "hyperbolic",
    ks: Annotated[tuple[int, ...], Parameter(name=["--ks", "-k"], consume_multiple=True, negative="")] = (),
    clustering: Annotated[bool, Parameter(negative="")] = False,
    intervals: Literal["classes", "queries", "none"] = "classes",
    reading: Reading = Reading(),  # noqa: B008 - frozen
    json: Json = False,
) -> None:
    """Score retrieval: of a finished run, of a file of embeddings, or of a model on images of yours.

    Without --gallery every item is searched for among all others; or, of a set that says which of its items ask and
    which are searched (In-Shop), its queries in its gallery. With --gallery, queries are searched for there, where
    nothing is left out, and classes are matched by name.

    hyperdml eval runs/quickstart --metric cosine

    hyperdml eval runs/quickstart --data PHOTOS --json

    hyperdml eval runs/quickstart --data QUERIES --gallery GALLERY -k 1 10 20

    Args:
        source: run, file of embeddings, or model; the control of a run is a run too, for example
            runs/quickstart/controls/metric. With --data, also user/name on the Hugging Face hub.
        data: images as FOLDER/CLASS/IMAGE, or a file of embeddings; by default the test part stored with the run.
        gallery: the same, to search in.
        metric: distance that ranks: hyperbolic (the curvature is stored with the embeddings), cosine, or euclidean on
            the points of the ball.
        ks: the k of Recall@k and precision@k; by default those of the run, or 1 2 4 8.
        clustering: score k-means clusters too (NMI, AMI).
        intervals: 95 % bootstrap intervals over whole classes (images of a class are alike, so this is the honest
            one), over single queries, or none.
        reading: how images are read.
        json: print one JSON object.
    """
    from hyperdml.metrics import evaluation_report
    from hyperdml.training.tables import text_table

    queries, reference, inside = _sets(source, data, gallery, reading)
    labels, reference_labels = _labels(queries, reference, gallery)
    levels, reference_levels = _levels(queries, reference, gallery)
    try:
        report = evaluation_report(
            queries.points,
            labels,
            ks=ks or queries.ks or (1, 2, 4, 8),
            levels=levels,
            level_names=None if levels is None else queries.level_names or None,
            c=queries.c,
            metric=metric,
            reference=None if reference is None else reference.points,
            reference_labels=reference_labels,
            reference_levels=reference_levels,
            ref_includes_query=inside,
            clustering=clustering,
            intervals=None if intervals == "none" else intervals,
        )
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error
    protocol = "leave-one-out" if reference is None else "query against gallery"
    if inside:
        protocol += ", queries left out of their own neighbours"
    if json:
        print_json({"source": str(source), "metric": metric, "c": queries.c, "protocol": protocol} | asdict(report))
        return
    print(f"{source}, {metric}, {protocol}: {report.queries} queries among {report.references} items")
    header = ["%", "score"] + ([f"95 % over {intervals}"] if report.intervals else [])
    print(text_table(header, [_row(name, value, report.intervals) for name, value in report.scores.items()]))


def _sets(
    source: Path, data: Path | None, gallery: Path | None, reading: Reading
) -> tuple[EmbeddingSet, EmbeddingSet | None, bool]:
    """The queries; the gallery if there is one, in the same ball and by the same model; whether it begins with them."""
    if data is None and not is_embeddings(source):
        if source.exists():
            raise ConfigError(f"{model_of(source)} is a model: name the images that it is to be scored on with --data")
        raise DataError(f"{source}: no such run, model or file of embeddings here (the hub is asked with --data only)")
    model = None if data is None else model_of(source)
    queries = embeddings_of(source if data is None else data, model, reading)
    asked = queries.search_sets()
    if gallery is None:
        return asked or (queries, None, False)
    queries = asked[0] if asked else queries
    reference = embeddings_of(gallery, model, reading)
    searched = reference.search_sets()
    reference = searched[1] if searched else reference
    for name, one, other in (("c", queries.c, reference.c), ("model", queries.model, reference.model)):
        if one != other:
            raise ConfigError(f"queries and gallery do not go together: {name} is {one} and {other}")
    return queries, reference, False


def _levels(
    queries: EmbeddingSet, reference: EmbeddingSet | None, gallery: Path | None
) -> tuple[Tensor | None, Tensor | None]:
    """Levels of both; None where there are none above the class, or where the sets number them apart."""
    if gallery is not None or queries.levels is None or queries.levels.shape[1] < 2:
        return None, None
    return queries.levels, None if reference is None else reference.levels


def _labels(
    queries: EmbeddingSet, reference: EmbeddingSet | None, gallery: Path | None
) -> tuple[Tensor, Tensor | None]:
    """Labels of both; of sets apart numbered alike by the names of the classes."""
    import torch

    if queries.labels is None or (reference is not None and reference.labels is None):
        raise DataError("there are no labels to score by: images must lie in FOLDER/CLASS/IMAGE")
    if reference is None or gallery is None:
        return queries.labels, None if reference is None else reference.labels
    mine, theirs = queries.class_of_items(), reference.class_of_items()
    if mine is None or theirs is None:
        raise DataError("classes of queries and gallery are matched by name, but they have no names")
    number = {name: k for k, name in enumerate(dict.fromkeys(mine + theirs))}
    return torch.tensor([number[name] for name in mine]), torch.tensor([number[name] for name in theirs])


def _row(name: str, value: float, intervals: Mapping[str, tuple[float, float]]) -> list[str]:
    cells = [name, f"{100 * value:.1f}"]
    if not intervals:
        return cells
    ends = " to ".join(f"{100 * end:.1f}" for end in intervals.get(name, ()))
    return [*cells, ends]
