"""`hyperdml resume`."""

from __future__ import annotations

from pathlib import Path


def resume(run: Path, /) -> None:
    """Continue an interrupted run from its last checkpoint, with the same result as if it had not been interrupted.

    The configuration is the one in the run folder; if it was edited since the checkpoint, the differing keys are
    listed and nothing happens. A finished run is only reported again.

    Args:
        run: run folder, for example runs/quickstart.
    """
    from hyperdml.cli.conclude import conclude
    from hyperdml.training.folder import read_run

    conclude(read_run(run), run)
