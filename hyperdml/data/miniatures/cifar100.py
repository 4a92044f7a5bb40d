"""A miniature of CIFAR-100."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.python2_pickle import Value, dumps
from hyperdml.data.miniatures.writing import check_counts, new_release, write_rows
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy.datasets import cifar100

CLASSES = ("apple", "orange", "pear", "beaver", "otter", "seal", "bus", "train", "rose", "tulip")
"""The classes that have images, of four superclasses; names and labels are those of the whole data set."""


def make_cifar100(
    folder: Path,
    version: Literal["binary", "python"] = "binary",
    *,
    train_per_class: int = 20,
    test_per_class: int = 10,
    seed: int = 0,
) -> Path:
    """Write `cifar-100-binary` or `cifar-100-python` with pictures of ten of its classes, in mixed order.

    Args:
        folder: where the release goes.
        version: "binary": train.bin, test.bin and the lists of names; "python": the pickles train, test and meta, as
            Python 2 wrote them.
        train_per_class: training images of each class.
        test_per_class: test images of each class.
        seed: the same seed gives the same pictures.

    Returns:
        The folder of the release; both versions hold the same pictures.

    Raises:
        ValueError: an option is not valid.
        DataError: the release is there already.
    """
    if version not in ("binary", "python"):
        raise ValueError(f"version must be 'binary' or 'python', got {version!r}")
    check_counts(train_per_class=train_per_class, test_per_class=test_per_class)
    taxonomy = cifar100()
    fine_names, coarse_names = list(taxonomy.leaves), sorted(taxonomy.names[root] for root in taxonomy.roots)
    with new_release(Path(folder), f"cifar-100-{version}") as release:
        if version == "binary":
            write_rows(release / "fine_label_names.txt", [(name,) for name in fine_names])
            write_rows(release / "coarse_label_names.txt", [(name,) for name in coarse_names])
        else:
            meta: dict[str, Value] = {"fine_label_names": fine_names, "coarse_label_names": coarse_names}
            (release / "meta").write_bytes(dumps(meta))
        for part, count in (("train", train_per_class), ("test", test_per_class)):
            rng = np.random.default_rng(derive_seed(seed, "cifar100", part))
            fine = rng.permutation(np.repeat(taxonomy.match(CLASSES), count))
            tops = [coarse_names.index(taxonomy.names[up]) for up in taxonomy.parent[fine]]
            pictures = [draw(rng, top, int(leaf), 32, 32)[0] for top, leaf in zip(tops, fine, strict=True)]
            pixels = np.stack(pictures).transpose(0, 3, 1, 2).reshape(len(fine), -1)
            if version == "binary":
                labels = np.stack([np.array(tops), fine], axis=1).astype(np.uint8)
                (release / f"{part}.bin").write_bytes(np.concatenate([labels, pixels], axis=1).tobytes())
            else:
                content: dict[str, Value] = {
                    "filenames": [f"{fine_names[leaf]}_s_{row:06d}.png" for row, leaf in enumerate(fine)],
                    "batch_label": f"{part}ing batch 1 of 1",
                    "fine_labels": fine.tolist(),
                    "coarse_labels": tops,
                    "data": pixels,
                }
                (release / part).write_bytes(dumps(content))
    return Path(folder) / f"cifar-100-{version}"
