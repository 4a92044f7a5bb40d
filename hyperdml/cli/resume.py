"""`hyperdml resume`."""

from __future__ import annotations

from pathlib import Path


def resume(run: Path, /, *, cache: Path | None = None) -> None:
    """Continue an interrupted run from its last checkpoint, with the same result as if it had not been interrupted.

    The configuration is the one in the run folder; if it was edited since the checkpoint, the differing keys are
    listed and nothing happens. A finished run is only reported again.

    A run may go on with another number of processes (torchrun) than it began with: its batches are the same, its sums
    are rounded in another order.

    Args:
        run: run folder, for example runs/quickstart.
        cache: folder of features of frozen backbones; by default features/ in the user's cache.
    """
    from hyperdml.cli.conclude import conclude
    from hyperdml.cli.train import check_cache, refuse_processes
    from hyperdml.training.engine.processes import joined
    from hyperdml.training.folder import read_run

    check_cache(cache)
    config = read_run(run)
    refuse_processes(config)
    with joined(config.device):
        conclude(config, run, cache)
