"""Two ranks of a worker script, run side by side and joined by gloo."""

import os
import subprocess
import sys

import torch


def run_two_ranks(worker, folder):
    """What `worker RANK RENDEZVOUS OUTPUT` saved on each rank; a rank that fails shows its log."""
    outputs = [folder / f"{rank}.pt" for rank in range(2)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    commands = [[sys.executable, worker, str(rank), folder / "rendezvous", outputs[rank]] for rank in range(2)]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    try:
        for process in running:
            log, _ = process.communicate(timeout=240)
            assert process.returncode == 0, log
    finally:
        for process in running:
            process.kill()
    return [torch.load(output) for output in outputs]
