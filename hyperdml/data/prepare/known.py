"""The data sets that can be loaded, what they are downloaded as, and how a folder tells which one it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperdml.data.folders import folders_within
from hyperdml.data.image_files import printable
from hyperdml.errors import ConfigError


@dataclass(frozen=True)
class KnownDataset:
    """A data set that is not bundled.

    Attributes:
        title: what it is called.
        task: of the recipes that train on it.
        root: what `data.root` holds.
        counts: images and classes of the whole release; empty where there is none.
        source: who publishes it, and what it is called there.
        marks: patterns of paths, any of which is in its folder and in no other data set's.
        archives: groups of folders; an archive that is called like one of a group unpacks to it, and one of every group
            is needed.
        files: what else the publisher's download consists of.
    """

    title: str
    task: str
    root: str
    counts: str = ""
    source: str = ""
    marks: tuple[str, ...] = ()
    archives: tuple[tuple[str, ...], ...] = ()
    files: tuple[str, ...] = ()


KNOWN: Mapping[str, KnownDataset] = {
    "cub": KnownDataset(
        "CUB-200-2011",
        "retrieval",
        "CUB_200_2011 (images/001.Black_footed_Albatross/...)",
        "5,864 training and 5,924 test images, 100 and 100 classes",
        "Caltech Vision Lab: CUB_200_2011.tgz (vision.caltech.edu/datasets/cub_200_2011)",
        ("images/[0-9][0-9][0-9].*",),
        (("CUB_200_2011",),),
    ),
    "cars": KnownDataset(
        "Cars-196",
        "retrieval",
        "cars_annos.mat and car_ims; cars_train, cars_test and devkit; or train/CLASS and test/CLASS",
        "8,054 training and 8,131 test images, 98 and 98 classes",
        "Stanford AI Lab: car_ims.tgz and cars_annos.mat (ai.stanford.edu/~jkrause/cars/car_dataset.html)",
        ("cars_annos.mat", "devkit/cars_meta.mat", "cars_train", "train/* [12][09][0-9][0-9]"),
        (("car_ims",),),
        ("cars_annos.mat",),
    ),
    "sop": KnownDataset(
        "Stanford Online Products",
        "retrieval",
        "Stanford_Online_Products (Ebay_train.txt, Ebay_test.txt, bicycle_final/...)",
        "59,551 training and 60,502 test images, 11,318 and 11,316 classes",
        "Stanford CVGL: Stanford_Online_Products.zip (cvgl.stanford.edu/projects/lifted_struct)",
        ("Ebay_train.txt", "Ebay_test.txt"),
        (("Stanford_Online_Products",),),
    ),
    "in_shop": KnownDataset(
        "In-Shop Clothes Retrieval",
        "retrieval",
        "Eval/list_eval_partition.txt and Img/img/WOMEN/...",
        "25,882 training images of 3,997 items, 14,218 queries and 12,612 gallery images of 3,985",
        "CUHK MMLAB, DeepFashion: img.zip and list_eval_partition.txt (mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html)",
        ("list_eval_partition.txt", "Eval/list_eval_partition.txt", "Anno/list_eval_partition.txt"),
        (("img",),),
        ("list_eval_partition.txt",),
    ),
    "folder": KnownDataset("a folder of images", "retrieval", "CLASS/IMAGE"),
    "csv": KnownDataset("a table of images", "retrieval", "a file: path, label, and further columns"),
    "cifar100": KnownDataset(
        "CIFAR-100",
        "classification",
        "cifar-100-binary or cifar-100-python",
        "50,000 training and 10,000 test images, 100 classes",
        "University of Toronto: cifar-100-python.tar.gz or cifar-100-binary.tar.gz (cs.toronto.edu/~kriz/cifar.html)",
        ("fine_label_names.txt", "meta"),
        (("cifar-100-python", "cifar-100-binary"),),
    ),
    "aircraft": KnownDataset(
        "FGVC-Aircraft",
        "classification",
        "fgvc-aircraft-2013b (data/variants.txt, data/images/...)",
        "6,667 training and 3,333 test images, 100 variants",
        "University of Oxford: fgvc-aircraft-2013b.tar.gz (robots.ox.ac.uk/~vgg/data/fgvc-aircraft)",
        ("data/variants.txt", "images_variant_trainval.txt"),
        (("fgvc-aircraft-2013b",),),
    ),
    "nabirds": KnownDataset(
        "NABirds",
        "classification",
        "nabirds (hierarchy.txt, images.txt, images/...)",
        "23,929 training and 24,633 test images, 555 classes",
        "Cornell Lab of Ornithology: nabirds.tar.gz (dl.allaboutbirds.org/nabirds)",
        ("hierarchy.txt",),
        (("nabirds",),),
    ),
}
"""By `data.name`."""


def recognise(root: Path) -> str | None:
    """Name of the data set that a folder or file holds; None if none is recognised.

    Args:
        root: folder of a release, or one that holds it; or a table.

    Raises:
        ConfigError: it holds several data sets.
        DataError: a folder cannot be listed.
    """
    found = recognised(root)
    if len(found) > 1:
        raise ConfigError(f"{printable(root)} holds several data sets ({', '.join(found)}); give --name")
    return found[0] if found else None


def recognised(root: Path) -> list[str]:
    """Names of the data sets that a folder holds, or that lie nearest in it."""
    if root.is_file():
        return ["csv"]
    for folders in folders_within(root) if root.is_dir() else ():
        found = [name for name, known in KNOWN.items() if any(_has(folder, known.marks) for folder in folders)]
        if found:
            return found
    return []


def _has(folder: Path, marks: Sequence[str]) -> bool:
    return any(next(folder.glob(mark), None) is not None for mark in marks)
