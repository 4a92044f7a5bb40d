"""The epoch with the best validation: its weights in a file, and when to stop waiting for a better one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.engine.state_file import read_state, write_state


class BestEpoch:
    """Keeps the weights of the epoch whose validation was best; of equal ones, the first.

    The weights lie in `folder/step-N.safetensors`. A run that is killed goes on from its checkpoint, which may not
    know the newest of them: the file that the last `notes` spoke of is kept beside it, and nothing else.

    Args:
        folder: of the files, created with the first.
        select: name of the figure to go by; more is better.
        patience: validations in a row without a better one after which to stop; None: never.

    Attributes:
        epoch, step: of the best validation; None before the first.
        figures: all of its figures.
    """

    def __init__(self, folder: Path, select: str, patience: int | None = None) -> None:
        self.folder, self.select, self.patience = folder, select, patience
        self.epoch: int | None = None
        self.step: int | None = None
        self.figures: dict[str, float] = {}
        self._waited = 0
        self._noted: int | None = None

    def seen(self, module_state: Mapping[str, Tensor], epoch: int, step: int, figures: Mapping[str, float]) -> bool:
        """Take in a validation.

        Args:
            module_state: state dict of what was validated.
            epoch: number of finished epochs.
            step: number of finished steps.
            figures: of the validation; one that is not a number is never the best.

        Returns:
            Whether to stop: `patience` validations brought nothing better.

        Raises:
            ConfigError: `select` is none of the figures.
            OSError: the disk does not take the file; the best before stays.
        """
        if self.select not in figures:
            raise ConfigError(f"evaluation.select is {self.select!r}; validation has {', '.join(figures)}")
        if figures[self.select] > self.figures.get(self.select, -float("inf")):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_state(self._path(step), module_state, {"epoch": epoch, "step": step, "figures": dict(figures)})
            self.epoch, self.step, self.figures, self._waited = epoch, step, dict(figures), 0
            kept = {self._path(known) for known in (step, self._noted) if known is not None}
            for path in set(self.folder.glob("step-*.safetensors")) - kept:
                path.unlink()
        else:
            self._waited += 1
        return self.patience is not None and self._waited >= self.patience

    def weights(self) -> dict[str, Tensor]:
        """State dict of the best epoch.

        Raises:
            ValueError: there was no validation with a number yet.
            DataError: the file is missing or damaged, or not the one that was checkpointed.
        """
        if self.step is None:
            raise ValueError(f"no validation has given a number for {self.select} yet")
        tensors, notes = read_state(self._path(self.step))
        if notes["figures"].get(self.select) != self.figures[self.select]:
            raise DataError(f"{self._path(self.step)} was written in another training than its checkpoint")
        return tensors

    def tensors(self) -> dict[str, Tensor]:
        """Nothing: the weights have files of their own."""
        return {}

    def notes(self) -> dict[str, Any]:
        """Which epoch is the best, and how long ago that was."""
        self._noted = self.step
        return {"epoch": self.epoch, "step": self.step, "figures": self.figures, "waited": self._waited}

    def restore(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Go on from `notes`."""
        self.epoch, self.step, self.figures = notes["epoch"], notes["step"], dict(notes["figures"])
        self._waited, self._noted = notes["waited"], notes["step"]

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:07d}.safetensors"
