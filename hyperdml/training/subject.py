"""What `hyperdml plot`, `tree`, `view` and `report` look at: the subject of a run, or of a file of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from hyperdml.data import EmbeddingSet, FileImages, RetrievalPart, load_splits
from hyperdml.data.embedding_set import EMBEDDINGS
from hyperdml.errors import ConfigError, DataError
from hyperdml.models import EmbeddingModel
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.folder import read_run
from hyperdml.training.retrieval.arms import Arm, arms_of
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.views import Views
from hyperdml.viz.subject import Subject

Part = Literal["test", "train"]


def subject_of(path: Path, part: Part = "test", *, images: bool = True) -> Subject:
    """Everything that can be shown of a run or of a file of embeddings.

    Images that are not where they were are no error: the subject then says why it has none.

    Args:
        path: run folder, the folder of one of its controls, or a file of embeddings (`hyperdml embed`).
        part: "test", whose embeddings a run has stored, with those of its other arms and epochs; "train" embeds the
            training images with the model of the run, which takes as long as that takes, and has no other arms.
        images: look for the images too; False leaves them and the names of the coarsest level out.

    Returns:
        The subject.

    Raises:
        DataError: there are no embeddings, or what there is is damaged; "train" without a run or without its images.
        ConfigError: the run is one of classification.
    """
    run = run_of(path)
    if run is None:
        if part == "train":
            raise DataError(f"{path} is not a run folder, which alone has a training part")
        return _of_file(path, images)
    config = read_run(run)
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"{run} is a run of classification: it has no embeddings to look at")
    arms = arms_of(config, run)
    arm = next((arm for arm in arms if arm.folder == path), arms[-1])
    if part == "train":
        return _of_training(path, arm)
    others = {other.title: other.folder for other in arms if other is not arm}
    own = EmbeddingSet.load(arm.folder)
    beside = {title: EmbeddingSet.load(at) for title, at in others.items() if (at / EMBEDDINGS).is_file()}
    epochs, clip_r = _epochs(arm.folder), config.model.head.clip_r
    try:
        subject = Subject(_title(path), own, arm=arm.title, clip_r=clip_r, arms=beside, epochs=epochs)
    except ValueError as error:  # embeddings of different data in one run
        raise DataError(f"{run}: {error}") from error
    return _with_images(subject, arm.config) if images else subject


def run_of(path: Path) -> Path | None:
    """The run that a run folder, or the folder of one of its controls, belongs to; None for anything else."""
    folders = (path.parents[1], path) if path.parent.name == "controls" else (path,)
    return next((folder for folder in folders if (folder / "config.yaml").is_file()), None)


def _of_file(path: Path, images: bool) -> Subject:
    found = EmbeddingSet.load(path)
    subject = Subject(_title(path), found)
    if not images:
        return subject
    if found.ids is None or found.root is None:
        return replace(subject, missing=f"{path} does not say where its images are")
    if not Path(found.root).is_dir():
        return replace(subject, missing=f"the folder of the images is not there: {found.root}")
    labels = np.zeros(len(found), np.int64) if found.labels is None else found.labels.numpy()
    return replace(subject, images=FileImages(Path(found.root), found.ids, labels))


def _with_images(subject: Subject, config: TrainConfig) -> Subject:
    try:
        test = load_splits(config.data).test
    except DataError as error:
        return replace(subject, missing=str(error))
    if len(test) != len(subject):
        reason = f"the data has {len(test)} test images now, and there are embeddings of {len(subject)}"
        return replace(subject, missing=reason)
    return replace(subject, images=test.images, coarse_names=test.coarse_names)


def _of_training(path: Path, arm: Arm) -> Subject:
    config, stored = arm.config, EmbeddingSet.load(arm.folder)
    splits = load_splits(config.data)
    views = Views(config, splits, feature_folder())
    points = views.embed(EmbeddingModel.from_pretrained(arm.folder / "model").to(views.device), splits.train)
    found = _embeddings(points, splits.train, stored)
    return Subject(
        f"{_title(path)}, training classes",
        found,
        splits.train.images,
        coarse_names=splits.train.coarse_names,
        arm=arm.title,
        clip_r=config.model.head.clip_r,
    )


def _embeddings(points: torch.Tensor, part: RetrievalPart, stored: EmbeddingSet) -> EmbeddingSet:
    return EmbeddingSet(
        points,
        stored.c,
        labels=torch.from_numpy(part.labels),
        levels=torch.from_numpy(part.levels),
        level_names=part.level_names,
        class_names=part.class_names,
        proxies=stored.proxies,
        ks=stored.ks,
        model=stored.model,
        model_folder=stored.model_folder,
        image_size=stored.image_size,
    )


def _epochs(folder: Path) -> Mapping[int, EmbeddingSet]:
    numbers = sorted(int(found.name.removeprefix("epoch-")) for found in folder.glob("snapshots/epoch-*"))
    return {number: EmbeddingSet.load(folder / "snapshots" / f"epoch-{number}") for number in numbers}


def _title(path: Path) -> str:
    return path.stem if path.suffix == ".safetensors" else path.resolve().name
