"""Ctrl-C and SIGTERM: finish the step, save, leave; a second Ctrl-C leaves at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from hyperdml.distributed import is_distributed


class InterruptGuard:
    """Context in which SIGINT and SIGTERM only set a flag.

    A second signal raises `KeyboardInterrupt`; not in a process group, where one Ctrl-C comes from the terminal and
    again from `torchrun`, which ends what does not end.

    Attributes:
        signal_number: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._patient = is_distributed()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> InterruptGuard:
        # only the main thread may set handlers; elsewhere interruption is the caller's business
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None and not self._patient:
            raise KeyboardInterrupt
        self.signal_number = number
