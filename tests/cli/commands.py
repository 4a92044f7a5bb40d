"""The command line for its tests: in this process, or in one of its own to be interrupted and killed."""

import io
import multiprocessing
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from hyperdml.cli.app import run as run_here

WIDE = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}


def start(*words, cwd, **variables):
    """A process of its own; starting one costs seconds, so only what a signal or a crash is about needs it."""
    return subprocess.Popen(
        [sys.executable, "-c", "import hyperdml.cli; hyperdml.cli.main()", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **WIDE, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*words, cwd, **variables):
    """Exit code, output and errors of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), patch.dict(os.environ, {**WIDE, **variables}), redirect_stdout(out), redirect_stderr(err):
        try:
            code = run_here([str(word) for word in words])
        except SystemExit as stop:  # --help and --version
            code = stop.code or 0
    return code, out.getvalue(), err.getvalue()


class Forked:
    """Commands in processes of their own that are forked from one with all modules loaded: a second less each.

    Args:
        cwd: where they run.
    """

    def __init__(self, cwd):
        self.cwd = cwd
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["hyperdml.cli.conclude", "hyperdml.cli.evaluate", "timm"])

    def start(self, *words):
        """The process of a command; its output goes to the files out.txt and err.txt."""
        process = self._context.Process(target=_command, args=([str(word) for word in words], self.cwd))
        process.start()
        return process

    def ended(self, process):
        """Exit code, output and errors."""
        process.join(120)
        return process.exitcode, *((self.cwd / name).read_text() for name in ("out.txt", "err.txt"))


def _command(words, cwd):
    os.chdir(cwd)
    os.environ.update(WIDE)
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    import hyperdml.cli

    hyperdml.cli.main(words)


def launch(processes, *words, cwd):
    """`torchrun` with so many processes of a command."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)),
            *("-m", "hyperdml", *map(str, words)),
        ],
        cwd=cwd,
        env={**os.environ, **WIDE},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def children(pid):
    """Process ids of the children of a process."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def variable(pid, name):
    """A variable of the environment that a process was started with, or None."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next((entry.partition("=")[2] for entry in entries if entry.startswith(f"{name}=")), None)
