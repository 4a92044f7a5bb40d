"""The command line in a process of its own, shared by the tests of classification."""

import os
import subprocess
import sys


def start(*words, cwd, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", "import hyperdml.cli; hyperdml.cli.main()", *map(str, words)],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*words, cwd, **variables):
    process = start(*words, cwd=cwd, **variables)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err
