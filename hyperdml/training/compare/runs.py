"""How a comparison trains one configuration: a run folder of its own, and its figures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem
from hyperdml.training.compare.arms import Job, digest
from hyperdml.training.folder import create_run, discard_unstarted
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import Config


class Trainer:
    """Trains a configuration of a plan as `hyperdml train` does.

    An interrupted run leaves its folder, from which the next call goes on.

    Args:
        jobs: the plan; run folders are called by arm, unit and seed.
        work: folder of the run folders, made when it is needed.
        keep: keep the folders of finished runs with their models, instead of removing them.
        progress: told about everything.
        cache: folder of features of frozen backbones; None for the one in the user's cache.
    """

    def __init__(
        self, jobs: Sequence[Job], work: Path, *, keep: bool, progress: Progress, cache: Path | None = None
    ) -> None:
        self._folders = {digest(job.config): work / job.folder for job in jobs}
        self._work, self._keep, self._progress, self._cache = work, keep, progress, cache

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Figures of a run.

        Args:
            config: a configuration of the plan.

        Raises:
            HyperdmlError: what training raises.
        """
        folder = self._folders[digest(config)]
        made = [] if (folder / "config.yaml").is_file() else create_run(config, folder)
        try:
            figures = _train(config, folder, self._progress, self._cache)
        except DivergedError:
            self._discard(folder)
            raise
        except (ConfigError, DataError, EnvironmentProblem, OSError):
            discard_unstarted(folder, made)
            raise
        self._discard(folder)
        return figures

    def _discard(self, folder: Path) -> None:
        if self._keep:
            return
        shutil.rmtree(folder)
        with suppress(OSError):  # other runs are there
            self._work.rmdir()


def _train(config: Config, folder: Path, progress: Progress, cache: Path | None) -> Mapping[str, float]:
    """Figures of the main arm, from the function that trains this kind of configuration.

    Of retrieval those of the last epoch; where validation found a better one, its figures too, as "R@1, best epoch".
    """
    if isinstance(config, TrainConfig):
        from hyperdml.training.retrieval.run import execute

        result = execute(config, folder, progress, cache)
        if result is None:  # other processes than the first have none
            raise ConfigError("a comparison trains in one process")
        best = {} if result.main_best is None else result.main_best.figures
        return {**result.rows[-1].figures, **{f"{name}, best epoch": value for name, value in best.items()}}
    from hyperdml.training.classify.run import execute_classification

    return execute_classification(config, folder, progress, cache).rows[-1].figures
