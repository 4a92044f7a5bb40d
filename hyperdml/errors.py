"""Errors that a user can act on, and the exit code that the command line gives each of them.

| code | meaning |
|---|---|
| 0 | done |
| 2 | usage: unknown command, option or configuration key, value out of range |
| 3 | data: a folder or file is missing, broken or not what was expected |
| 4 | training diverged: the loss was not finite; of `hyperdml replay`: it is not finite again |
| 5 | environment: a package, a device or the disk does not allow it; `hyperdml doctor` found a problem |
| 130, 143 | interrupted (Ctrl-C, SIGTERM); the run can be resumed |
"""

from __future__ import annotations


class HyperdmlError(Exception):
    """Base of every error that ends a command with one line instead of a traceback."""

    exit_code = 1


class ConfigError(HyperdmlError, ValueError):
    """A configuration key or value is not valid; the message names both."""

    exit_code = 2


class DataError(HyperdmlError):
    """A folder, file or image is missing or broken; the message names it."""

    exit_code = 3


class DivergedError(HyperdmlError):
    """The loss was not finite; the message names the step."""

    exit_code = 4


class EnvironmentProblem(HyperdmlError):
    """Something outside the project is missing: a package, a program, disk space."""

    exit_code = 5


class Interrupted(HyperdmlError):
    """A signal ended the run after its state was saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
