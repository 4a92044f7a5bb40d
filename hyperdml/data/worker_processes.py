"""How the processes of torch's loader live and end, where its own habits do not suit a training that can be stopped."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process


@contextmanager
def on_our_terms() -> Iterator[None]:
    """Keep torch's loader from two of its habits.

    It sets a handler that raises wherever the program is when a worker dies, in the middle of a step or of a
    checkpoint; it looks after its workers while it waits for them too, every five seconds. And it warns where there are
    fewer processors than workers, whose number was somebody's choice.
    """
    ours = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGCHLD) if ours else None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
            yield
    finally:
        if before is not None:
            signal.signal(signal.SIGCHLD, before)


def tells_of_a_death(error: Exception) -> bool:
    """Whether the loader, not the data, failed: it says so, or found a worker gone while it fetched a batch from it."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker")
    return not str(error).startswith("Caught")  # so begin errors that workers hand over


def outlive_signals(worker: int) -> None:
    """Leave interrupts to the training process, which finishes its step with what the workers read and ends them.

    Ctrl-C and most schedulers signal every process of a job.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_told, daemon=True).start()


def _end_when_told() -> None:
    """End when the process that started this one says so; it does where a worker does not answer."""
    starter = parent_process()
    while starter is not None and signal.sigwaitinfo({signal.SIGTERM}).si_pid != starter.pid:
        pass
    os._exit(0)
