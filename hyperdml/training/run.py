"""A run: its folder, its arms (metric loss alone, metric loss + HIER) and what they leave behind.

RUN/
  config.yaml       the whole configuration
  env.json          versions and hardware
  metrics.jsonl     one line per step, and per evaluation on the validation classes
  results.json      figures on the test classes, radius report
  report.md         the same in words, with the picture
  disk.png          Poincaré disk of the main arm
  model/            model.safetensors + config.json of the main arm
  embeddings.safetensors   test embeddings, labels, levels and proxies of the main arm
  control/          model/ and embeddings of the metric loss alone
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout

from hyperdml.data import ImageData, RetrievalSplits, load_splits
from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.metrics import RadiusReport, radius_report
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.config import TrainConfig
from hyperdml.training.embeddings import read_embeddings, write_embeddings
from hyperdml.training.environment import environment
from hyperdml.training.evaluate import score
from hyperdml.training.features import backbone_features, training_features
from hyperdml.training.loop import resolve_device, train
from hyperdml.training.settings import config_from_dict, config_to_yaml, settings_errors


class Progress(Protocol):
    """How a run reports: implemented by the command line with rich, or by nothing at all."""

    def message(self, text: str) -> None:
        """One line of text."""

    def start(self, title: str, total: int) -> None:
        """A piece of work of `total` units begins."""

    def advance(self, count: int, figures: Mapping[str, float]) -> None:
        """So many units more are done."""

    def end(self) -> None:
        """The piece of work ended."""


@dataclass(frozen=True)
class Row:
    """One row of the result table.

    Attributes:
        title: what was trained.
        figures: shares in [0, 1] on the test classes.
        seconds: training time.
    """

    title: str
    figures: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """What a run found on the test classes.

    Attributes:
        rows: untrained backbone, control, main arm.
        radius: radius report of the main arm (of its images alone if it has no proxies).
        images: number of test images.
        classes: number of test classes.
    """

    rows: tuple[Row, ...]
    radius: RadiusReport
    images: int
    classes: int


def execute(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
    """Train all arms of a run that are not finished, and write everything but the report and the picture.

    Args:
        config: the run.
        folder: run folder, made by `create_run` or by an interrupted run.
        progress: told about everything.

    Returns:
        The figures, as also written to `results.json`.

    Raises:
        HyperdmlError: see `train` and `load_splits`; another process works in the folder.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _execute(config, folder, progress)
    except Timeout:
        raise ConfigError(f"another process is working in {folder}") from None


def create_run(config: TrainConfig, folder: Path) -> None:
    """Make a run folder with its configuration.

    Args:
        config: the run.
        folder: must not exist or must be empty.

    Raises:
        ConfigError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; choose another --out, or use: hyperdml resume {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "config.yaml", config_to_yaml(config).encode())


def discard_unstarted(folder: Path) -> None:
    """Remove a run folder in which no step was trained, so that a wrong setting leaves nothing behind."""
    if not (folder / "metrics.jsonl").exists():
        shutil.rmtree(folder)


def read_run(folder: Path) -> TrainConfig:
    """Configuration of a run folder.

    Args:
        folder: run folder.

    Raises:
        DataError: it is not a run folder.
        ConfigError: its configuration is not valid.
    """
    import yaml

    path = folder / "config.yaml"
    if not path.is_file():
        raise DataError(f"{folder} is not a run folder: {path} is missing")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {error}") from error
    return config_from_dict(values, str(path))


def load_result(folder: Path) -> RunResult | None:
    """Result of a finished run, or None.

    Args:
        folder: run folder.

    Raises:
        DataError: `results.json` is damaged.
    """
    path = folder / "results.json"
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text())
        rows = tuple(Row(**row) for row in stored.pop("rows"))
        return RunResult(rows=rows, radius=RadiusReport(**stored.pop("radius")), **stored)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def loss_title(name: str) -> str:
    """Readable name of a metric loss: "ProxyAnchorLoss" gives "Proxy Anchor"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Loss"))


def _execute(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
    finished = load_result(folder)
    if finished is not None:
        progress.message(f"{folder} is finished")
        return finished
    splits = load_splits(config.data)
    write_atomic(folder / "env.json", json.dumps(environment(), indent=2).encode() + b"\n")
    device = resolve_device(config.device)
    progress.message(
        f"training on {len(splits.train)} images of {splits.train.num_classes} classes, testing on {len(splits.test)} "
        f"images of {splits.test.num_classes} unseen classes; {config.model.backbone} on {device}"
    )
    metric = loss_title(config.metric_loss.name)
    arms = [(f"{metric} + HIER ({config.hier.mode})", config, folder)]
    if config.hier.weight == 0:
        arms = [(metric, config, folder)]
    elif config.evaluation.control:
        alone = replace(config, hier=replace(config.hier, weight=0.0))
        arms.insert(0, (metric, alone, folder / "control"))
    pending = [place for _, _, place in arms if not (place / "arm.json").is_file()]
    views = _Views(config, splits, frozen=config.optim.freeze_backbone, progress=progress if pending else None)
    rows = [_untrained(config, views)]
    for title, arm, place in arms:
        rows.append(_run_arm(title, arm, place, folder / "metrics.jsonl", views, progress))
    main = read_embeddings(folder)
    radius = radius_report(
        main.points,
        main.proxies,
        c=main.c,
        clip_r=config.model.head.clip_r,
        labels=main.labels,
        generator=torch.Generator().manual_seed(derive_seed(config.seed, "radius report")),
    )
    result = RunResult(tuple(rows), radius, len(splits.test), splits.test.num_classes)
    write_atomic(folder / "results.json", json.dumps(asdict(result), indent=2).encode() + b"\n")
    return result


class _Views:
    """The parts of the data as an arm sees them: images, or features of the frozen backbone, computed once."""

    def __init__(self, config: TrainConfig, splits: RetrievalSplits, frozen: bool, progress: Progress | None) -> None:
        self.splits = splits
        self.size = config.data.image_size
        self.bank: torch.Tensor | None = None
        self._features: dict[int, torch.Tensor] = {}
        model = _start_model(config)
        if frozen:
            evaluated = [splits.test, splits.validation]
            tick = None
            if progress is not None:
                total = len(splits.train) * config.optim.views + sum(map(len, evaluated))
                progress.start("features of the frozen backbone", total)
                tick = partial(progress.advance, figures={})
                self.bank = training_features(model, splits.train, config, tick)
            for data in evaluated:
                self._features[id(data)] = backbone_features(model, data, self.size, tick=tick)
            if progress is not None:
                progress.end()

    @torch.no_grad()
    def embed(self, model: EmbeddingModel, data: ImageData) -> torch.Tensor:
        """(N, d) points of all images, on the CPU."""
        features = self._features.get(id(data))
        if features is None:
            features = backbone_features(model, data, self.size)
        device = next(model.head.parameters()).device
        return torch.cat([model.head(part.to(device)).cpu() for part in features.split(1024)])


def _start_model(config: TrainConfig) -> EmbeddingModel:
    """The model before training, as `Learner` starts it."""
    torch.manual_seed(derive_seed(config.seed, "model"))
    with settings_errors("model"):
        return EmbeddingModel(config.model).to(resolve_device(config.device))


def _untrained(config: TrainConfig, views: _Views) -> Row:
    test = views.splits.test
    points = views.embed(_start_model(config), test)
    return Row("untrained backbone", _score(config, points, test), 0.0)


def _run_arm(title: str, config: TrainConfig, folder: Path, log: Path, views: _Views, progress: Progress) -> Row:
    """Train one arm and write its model and embeddings; an arm that is finished is only read."""
    finished = folder / "arm.json"
    if finished.is_file():
        progress.message(f"{title}: already trained")
        return Row(**json.loads(finished.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    validation, test = views.splits.validation, views.splits.test

    def start(done: int) -> None:
        progress.start(title, config.optim.steps)
        progress.advance(done, {})

    def monitor(done: int, figures: dict[str, float]) -> None:
        progress.advance(1, figures)
        _append(log, {"arm": title, "step": done, **figures})

    def validate(done: int, model: EmbeddingModel) -> None:
        _append(
            log, {"arm": title, "step": done, "validation": _score(config, views.embed(model, validation), validation)}
        )

    trained = train(config, views.splits.train, folder / "checkpoints", views.bank, start, monitor, validate)
    progress.end()
    points = views.embed(trained.learner.model, test)
    trained.learner.model.save_pretrained(folder / "model")
    hier = trained.learner.hier
    write_embeddings(folder, points, test, None if hier is None else hier.proxies_on_ball(), config.model.head.c)
    row = Row(title, _score(config, points, test), trained.seconds)
    write_atomic(finished, json.dumps(asdict(row)).encode())
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # the model is written: nothing is left to resume
    return row


def _score(config: TrainConfig, points: torch.Tensor, data: ImageData) -> dict[str, float]:
    return score(points, data.labels, data.levels, data.level_names, config.evaluation.ks, config.model.head.c)


def _append(log: Path, record: Mapping[str, Any]) -> None:
    with log.open("a") as file:
        file.write(json.dumps(record) + "\n")
