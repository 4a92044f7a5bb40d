"""`hyperdml replay`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import DivergedError

if TYPE_CHECKING:
    from hyperdml.training.replay import Replay

_SHOWN = 8


def replay(file: Path, /, *, device: str = "auto", json: Json = False) -> None:
    """Repeat a training step whose loss or gradient was not finite, and say where it breaks first.

    Training leaves such a step out and writes it to RUN/bad_steps. The same weights see the same batch with the same
    seeds. Exit code 4: it came back; 0: everything is finite here.

    hyperdml replay runs/quickstart/bad_steps/step-0000120.safetensors

    Args:
        file: the step.
        device: auto (CUDA if there is one), or a torch device.
        json: print one JSON object.
    """
    from hyperdml.training.replay import replay as repeat

    found = repeat(file, device)
    if json:
        print_json({"came_back": found.came_back, **asdict(found)})
    else:
        for line in _lines(found):
            print(line)
    if found.came_back:
        raise DivergedError(f"step {found.step} is not finite here either")


def _lines(found: Replay) -> list[str]:
    lines = [f"step {found.step}"]
    for name, then in found.then.items():
        now = found.now.get(name)
        lines.append(f"  {name}: {then:g} in training, {'not computed' if now is None else format(now, 'g')} here")
    if found.inputs:
        lines.append(f"the inputs hold {found.inputs} numbers that are not finite")
    if found.weights:
        lines.append(f"weights that were not finite before the step: {_some(found.weights)}")
    if found.output is not None:
        lines.append(f"first output that is not finite: {found.output}")
    elif found.came_back:
        lines.append("the output of every module is finite")
    if found.gradient is not None:
        lines.append(f"first gradient that is not finite, on its way back: at the output of {found.gradient}")
    if found.gradients:
        count = f"{len(found.gradients)} of {found.parameters} parameters have a gradient that is not finite"
        lines.append(f"{count}: {_some(found.gradients)}")
    return [*lines, *found.radii, *found.remarks, *([] if found.came_back else ["everything is finite here"])]


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
