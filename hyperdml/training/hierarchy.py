"""The hierarchy of a run, found once and kept in its folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hyperdml.data import EmbeddingSet
from hyperdml.errors import DataError
from hyperdml.metrics import TreeScores
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.folder import read_run
from hyperdml.training.records import read_record, write_record
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.subject import run_of
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.extract import with_points
from hyperdml.tree.hierarchy import Hierarchy, hierarchy_of
from hyperdml.tree.report import ProxyTreeReport
from hyperdml.viz.subject import Subject

TREE, SCORES = "tree.json", "scores.json"
DRAWS, SEED = 20, 0  # where no run says otherwise
_FORMAT = "hyperdml.hierarchy/1"


@dataclass(frozen=True)
class Made:
    """What a hierarchy was made of: equal ones give equal hierarchies.

    Attributes:
        format: of the file.
        embeddings: SHA-256 of the points and all that is known about them.
        controls: the same of the other embeddings by name.
        taxonomy: hash of the taxonomy, or None.
        method: see `hierarchy_of`.
        draws: see `hierarchy_of`.
        seed: see `hierarchy_of`.
    """

    format: str
    embeddings: str
    controls: dict[str, str]
    taxonomy: str | None
    method: str
    draws: int
    seed: int


@dataclass(frozen=True)
class StoredScores:
    """Content of scores.json.

    Attributes:
        made: what it was made of.
        tree: SHA-256 of tree.json beside it.
        scores: of the tree.
        proxies: report on the tree of the proxies, or None.
    """

    made: Made
    tree: str
    scores: TreeScores
    proxies: ProxyTreeReport | None


def run_hierarchy(
    subject: Subject,
    folder: Path | None,
    *,
    method: str = "average",
    taxonomy: Taxonomy | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    write: bool = True,
) -> Hierarchy:
    """`hierarchy_of` of a subject, its other arms as controls.

    Kept in the folder as `tree.json`, without the points of inner nodes, which follow from the embeddings, and
    `scores.json`. What is there already is read instead, if it was made of the same embeddings in the same way; if not,
    or if it is damaged, it is made anew.

    Args:
        subject: what to look at.
        folder: as of `tree_folder`; made where it is missing. None to keep nothing.
        method: see `hierarchy_of`.
        taxonomy: see `hierarchy_of`.
        draws: see `hierarchy_of`.
        seed: see `hierarchy_of`.
        write: keep what is made; False only reads.

    Raises:
        ValueError: see `hierarchy_of`.
        OSError: the folder cannot be written to, which is looked at before the work begins; or see
            `hyperdml.files.write_atomic`.
    """
    embeddings = subject.embeddings
    above = None if taxonomy is None else taxonomy.hash
    controls = {title: _digest(other) for title, other in subject.arms.items()}
    made = Made(_FORMAT, _digest(embeddings), controls, above, method, draws, seed)
    found = None if folder is None else _stored(folder, made, embeddings)
    if found is not None:
        return found
    if folder is not None and write and not can_keep(folder):
        raise PermissionError(errno.EACCES, "the tree and its scores cannot be written", str(folder))
    found = hierarchy_of(embeddings, method=method, taxonomy=taxonomy, controls=subject.arms, draws=draws, seed=seed)
    if folder is not None and write:
        folder.mkdir(parents=True, exist_ok=True)
        replace(found.tree, points=None).to_json(folder / TREE)
        # last: only with it is the tree beside it read
        write_record(folder / SCORES, StoredScores(made, _sha256(folder / TREE), found.scores, found.proxies))
    return found


def draws_and_seed(path: Path) -> tuple[int, int]:
    """Draws and seed of a hierarchy that nothing else is said about, so that all commands share what is kept.

    Args:
        path: run folder or the folder of one of its controls, which has those of its configuration (evaluation.draws,
            seed), as the report of the run; or anything else, which has 20 and 0.
    """
    run = run_of(path)
    config = None if run is None else read_run(run)
    return (config.evaluation.draws, config.seed) if isinstance(config, TrainConfig) else (DRAWS, SEED)


def can_keep(folder: Path) -> bool:
    """Whether a folder can be written to, or made where it is missing."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return os.access(there, os.W_OK | os.X_OK)


def tree_folder(path: Path, method: str = "average", arm: str | None = None, taxonomy: Path | None = None) -> Path:
    """Where the hierarchy of a run or of a file of embeddings is kept.

    Args:
        path: run folder, or file of embeddings.
        method: of the tree; the default has no folder of its own.
        arm: title of another arm than the main one.
        taxonomy: file of what it is scored against instead of the stored levels.

    Returns:
        RUN/tree, or FILE-tree beside the file; in it METHOD, the arm's title and by-TAXONOMY as folders.
    """
    base = path / "tree" if path.is_dir() else path.with_name(f"{path.stem}-tree")
    parts = [] if method == "average" else [method]
    if arm is not None:
        parts.append(_plain(arm))
    if taxonomy is not None:
        parts.append(f"by-{_plain(taxonomy.stem)}")
    return base.joinpath(*parts)


def _plain(name: str) -> str:
    """A name as that of a folder."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def arm_subject(subject: Subject, title: str) -> Subject:
    """One of the other arms as the subject, and what was the subject among its controls.

    Raises:
        ValueError: there is no such arm.
    """
    if title not in subject.arms:
        raise ValueError(f"no arm {title!r}; there are: {', '.join(map(repr, subject.arms)) or 'none'}")
    others: Mapping[str, EmbeddingSet] = {
        subject.own_title: subject.embeddings,
        **{name: other for name, other in subject.arms.items() if name != title},
    }
    own = subject.arms[title]
    return replace(subject, title=f"{subject.title}, {title}", arm=title, embeddings=own, arms=others, epochs={})


def _stored(folder: Path, made: Made, embeddings: EmbeddingSet) -> Hierarchy | None:
    """What the folder holds, if that was made so."""
    try:
        kept = read_record(folder / SCORES, StoredScores)
        if kept is None or kept.made != made or _sha256(folder / TREE) != kept.tree:
            return None
        tree = Dendrogram.from_json(folder / TREE)
    except (DataError, OSError):
        return None
    return Hierarchy(with_points(tree, embeddings.points, embeddings.proxies), kept.scores, kept.proxies)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _digest(embeddings: EmbeddingSet) -> str:
    """SHA-256 of all that a hierarchy depends on."""
    names = (embeddings.c, embeddings.level_names, embeddings.class_names, embeddings.ids)
    found = hashlib.sha256(json.dumps(names).encode())
    for key in ("points", "labels", "levels", "proxies"):
        tensor = getattr(embeddings, key)
        if tensor is not None:
            array = tensor.detach().cpu().contiguous().numpy()
            found.update(f"{key} {array.dtype} {array.shape}".encode())
            found.update(array.tobytes())
    return found.hexdigest()
