"""A miniature of Cars-196."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy.datasets.cars import make_and_type

TRAINED = {
    1: "AM General Hummer SUV 2000",
    2: "Acura RL Sedan 2012",
    7: "Acura ZDX Hatchback 2012",
    32: "BMW X5 SUV 2007",
    55: "Chevrolet Corvette Convertible 2012",
    82: "Daewoo Nubira Wagon 2002",
    83: "Dodge Caliber Wagon 2012",
    98: "Eagle Talon Hatchback 1998",
}
"""Numbers and names of classes that the papers train on."""
TESTED = {
    99: "FIAT 500 Abarth 2012",
    100: "FIAT 500 Convertible 2012",
    101: "Ferrari FF Coupe 2012",
    102: "Ferrari California Convertible 2012",
    193: "Volvo C30 Hatchback 2012",
    194: "Volvo 240 Sedan 1993",
    195: "Volvo XC90 SUV 2007",
    196: "smart fortwo Convertible 2012",
}
"""Numbers and names of classes that they test on."""

_FOLDERS = {"mat": "cars196", "devkit": "stanford_cars", "folders": "car_data"}
_BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def make_cars(
    folder: Path,
    layout: Literal["mat", "devkit", "folders"] = "mat",
    *,
    train_classes: int = 4,
    test_classes: int = 4,
    per_class: int = 6,
    seed: int = 0,
) -> Path:
    """Write Cars-196 in one of its layouts, with pictures of some of its classes.

    In the lists, classes without pictures have names that stand for them.

    Args:
        folder: where the release goes.
        layout: "mat": `cars196` with `cars_annos.mat` and `car_ims`; "devkit": `stanford_cars` with `cars_train`,
            `cars_test` and `devkit`; "folders": `car_data` with `train/CLASS` and `test/CLASS`.
        train_classes: classes that the papers train on, up to 8.
        test_classes: classes that they test on, up to 8.
        per_class: images of each class, every other one a test image of the release, which the papers do not mind.
        seed: the same seed gives the same pictures.

    Returns:
        The folder of the release; all layouts hold the same pictures.

    Raises:
        ValueError: an option is not valid.
        DataError: the release is there already.
    """
    if layout not in _FOLDERS:
        raise ValueError(f"layout must be one of {', '.join(map(repr, _FOLDERS))}, got {layout!r}")
    check_counts(most=8, train_classes=train_classes, test_classes=test_classes)
    check_counts(per_class=per_class)
    classes = dict(list(TRAINED.items())[:train_classes] + list(TESTED.items())[:test_classes])
    bodies = sorted({make_and_type(name)[1] for name in classes.values()})
    rng = np.random.default_rng(derive_seed(seed, "cars"))
    table: list[tuple[Any, ...]] = []
    written = {"train": 0, "test": 0}
    with new_release(Path(folder), _FOLDERS[layout]) as release:
        for number, name in classes.items():
            for k in range(per_class):
                pixels, box = draw(rng, bodies.index(make_and_type(name)[1]), number, 96, 72)
                part = ("train", "test")[k % 2]
                written[part] += 1
                path = {
                    "mat": f"car_ims/{len(table) + 1:06d}.jpg",
                    "devkit": f"cars_{part}/{written[part]:05d}.jpg",
                    "folders": f"{part}/{name}/{written[part]:05d}.jpg",
                }[layout]
                write_jpeg(release / path, pixels)
                table.append((path, *box, number, k % 2))
        if layout == "mat":
            fields = ("relative_im_path", *_BOX, "class", "test")
            content = {"annotations": _structure(fields, table), "class_names": _names(classes)}
            _save(release / "cars_annos.mat", content)
        elif layout == "devkit":
            _write_devkit(release, table, classes)
    return Path(folder) / _FOLDERS[layout]


def _write_devkit(release: Path, table: Sequence[tuple[Any, ...]], classes: dict[int, str]) -> None:
    (release / "devkit").mkdir()
    _save(release / "devkit" / "cars_meta.mat", {"class_names": _names(classes)})
    parts = [[(*row[1:6], row[0].partition("/")[2]) for row in table if row[6] == tested] for tested in (0, 1)]
    labelled = (*_BOX, "class", "fname")
    _save(release / "devkit" / "cars_train_annos.mat", {"annotations": _structure(labelled, parts[0])})
    _save(release / "cars_test_annos_withlabels.mat", {"annotations": _structure(labelled, parts[1])})
    bare = [(*row[:4], row[5]) for row in parts[1]]
    _save(release / "devkit" / "cars_test_annos.mat", {"annotations": _structure((*_BOX, "fname"), bare)})


def _structure(fields: Sequence[str], rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """(1, N) structure of a MATLAB file."""
    return np.array([[tuple(row) for row in rows]], dtype=[(name, object) for name in fields])


def _names(classes: dict[int, str]) -> np.ndarray:
    """(1, 196) cells."""
    return np.array([[classes.get(number, f"Other Model {number} Sedan 2012") for number in range(1, 197)]], object)


def _save(path: Path, content: dict[str, np.ndarray]) -> None:
    from scipy.io import savemat

    savemat(path, content)
