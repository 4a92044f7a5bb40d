"""The command line: one file per command, thin."""

from hyperdml.cli.app import main

__all__ = ["main"]
