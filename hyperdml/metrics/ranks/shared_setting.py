"""Settings of the whole process that several threads may need at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class SharedSetting:
    """Changed by the first of the threads that need it, and restored by the last.

    A thread that saves and restores by itself would undo the change for the others, and might save what they have
    changed as the setting to restore.

    Args:
        change: makes the change and returns what undoes it.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._users = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the change for as long as the context lasts."""
        with self._lock:
            if self._users == 0:
                self._undo = self._change()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._undo()
