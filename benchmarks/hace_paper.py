"""The published tables of "When Labels Have Structure" (HACE), as printed, and what its prose says of them.

Per cent. Rows and columns stand in the order of print. The paper's three dilutions, two betas and two alphas are lost
in the text we have: its columns are told apart by number alone. "SCE" is the paper's word for cross-entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Column = tuple[str, ...]
"""Words of a column's head, from the top down."""

NETS = ("ResNet-18", "ResNet-34", "ResNet-50", "ConvNeXt-T", "ViT-B/16", "Swin-T")
DATA = ("CIFAR-100", "FGVC", "NABirds")

PAIRS: tuple[Column, ...] = tuple((data, loss) for data in DATA for loss in ("HACE", "SCE"))
DILUTIONS: tuple[Column, ...] = tuple(
    (str(place), pairing, loss) for place in (1, 2, 3) for pairing in ("standard", "adj") for loss in ("HACE", "SCE")
)
METHODS: tuple[Column, ...] = (
    ("HACE", "no smoothing"),
    ("HACE", "label smoothing"),
    ("SCE", "no smoothing"),
    ("SCE", "label smoothing"),
    ("SCE", "soft label 1"),
    ("SCE", "soft label 2"),
    ("HXE", "1"),
    ("HXE", "2"),
)
PROBES: tuple[Column, ...] = (
    *(
        (smoothing, loss)
        for smoothing in ("no smoothing", "label smoothing", "soft label 1", "soft label 2")
        for loss in ("HACE", "SCE")
    ),
    ("HXE", "1"),
    ("HXE", "2"),
)


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        number: its number.
        title: what it shows.
        metric: the figure, as classification reports call it.
        columns: heads of the columns.
        rows: cells by row, in the order of the columns.
        prose: what the text says about it, by what is counted.
        remark: what its cells show that the text does not say.
    """

    number: int
    title: str
    metric: str
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[float, ...]]
    prose: Mapping[str, str]
    remark: str = ""


TABLES = {
    2: Table(
        2,
        "End to end, top-1: best of all dilutions and pairings",
        "top1",
        PAIRS,
        {
            "ResNet-18": (77.93, 76.52, 78.88, 68.29, 67.93, 62.94),
            "ResNet-34": (78.01, 78.30, 77.32, 77.74, 69.44, 71.01),
            "ResNet-50": (80.53, 79.86, 80.62, 69.88, 67.90, 59.07),
            "ConvNeXt-T": (44.48, 43.30, 38.82, 30.45, 50.74, 30.35),
            "ViT-B/16": (64.45, 63.56, 20.67, 15.72, 29.16, 27.44),
            "Swin-T": (59.44, 56.72, 44.34, 38.16, 44.01, 41.51),
        },
        {"HACE above SCE": "15 of 18", "mean gain": "4.66", "largest decrease": "1.57"},
    ),
    3: Table(
        3,
        "End to end on FGVC, top-1: every dilution, both pairings",
        "top1",
        DILUTIONS,
        {
            "ResNet-18": (74.11, 61.36, 78.94, 69.37, 71.23, 67.45, 71.59, 69.37, 70.18, 3.39, 71.44, 69.37),
            "ResNet-34": (72.73, 78.34, 77.83, 71.98, 75.97, 2.13, 73.60, 71.98, 72.94, 5.01, 73.30, 71.98),
            "ResNet-50": (72.28, 61.90, 81.10, 71.44, 69.79, 69.13, 76.78, 71.44, 72.76, 70.45, 70.78, 71.44),
            "ConvNeXt-T": (34.14, 13.14, 32.31, 31.23, 31.89, 29.10, 39.42, 31.23, 29.82, 29.22, 30.06, 31.23),
            "ViT-B/16": (20.79, 16.08, 16.08, 16.98, 19.77, 15.93, 22.47, 16.98, 18.27, 17.43, 18.66, 16.98),
            "Swin-T": (42.36, 31.71, 9.75, 38.67, 41.55, 35.64, 44.76, 38.67, 41.82, 37.74, 40.74, 38.67),
        },
        {
            "HACE above SCE": "31 of 36",
            "mean gain": "8.83",
            "SCE below 10": "3 of 36",
            "mean gain without these": "3.31",
            "largest gain without these": "21",
        },
        "Every architecture's best cells here are above its FGVC cells in Table 2 (by 0.06 to 1.80), although these "
        "are said to be the best of the same models.",
    ),
    4: Table(
        4,
        "End to end on NABirds, top-1: eight methods",
        "top1",
        METHODS,
        {
            "ResNet-18": (67.93, 70.81, 62.94, 66.57, 67.04, 59.21, 61.73, 65.98),
            "ResNet-34": (69.44, 73.02, 71.01, 72.15, 71.01, 62.36, 66.07, 70.62),
            "ResNet-50": (67.90, 73.15, 59.07, 71.47, 70.41, 59.98, 63.06, 69.57),
            "ConvNeXt-T": (50.74, 59.49, 30.35, 40.33, 0.94, 1.00, 0.59, 0.47),
            "ViT-B/16": (29.16, 17.53, 27.44, 23.14, 15.64, 17.50, 18.78, 17.72),
            "Swin-T": (44.01, 47.10, 41.51, 47.27, 48.00, 42.00, 43.06, 44.29),
        },
        {"HACE with label smoothing best": "4 of 6", "mean gain over the next best": "4.38"},
        "The text's 4.38 is the mean gain of the better of both HACE methods over the best other method; over the next "
        "best of all seven, HACE with label smoothing gains 0.27. ConvNeXt-T alone makes up most of either.",
    ),
    5: Table(
        5,
        "Linear probing, top-1: best of all dilutions and pairings",
        "top1",
        PROBES,
        {
            "CIFAR-100": (96.90, 96.62, 96.81, 96.68, 93.07, 92.90, 93.10, 92.95, 92.72, 92.52),
            "FGVC": (58.97, 53.91, 58.70, 53.40, 58.90, 53.83, 58.99, 54.10, 49.81, 42.90),
            "NABirds": (84.96, 83.50, 84.78, 83.02, 84.70, 83.00, 84.96, 83.50, 79.09, 64.86),
        },
        {"a HACE method best": "3 of 3", "mean gain over the next best without HACE": "2.18"},
        "The cells give 2.19. On NABirds soft label 2 has the figures of no smoothing to the digit, for HACE and SCE, "
        "here and in Table 11.",
    ),
    6: Table(
        6,
        "Linear probing, top-1: every dilution, both pairings",
        "top1",
        DILUTIONS,
        {
            "CIFAR-100": (96.48, 95.53, 96.90, 96.62, 96.56, 96.53, 96.77, 96.62, 96.63, 96.52, 96.67, 96.62),
            "FGVC": (41.36, 36.33, 58.97, 53.91, 50.27, 46.09, 57.58, 53.91, 52.71, 50.36, 56.56, 53.91),
            "NABirds": (68.72, 68.65, 84.96, 83.49, 80.18, 78.56, 84.68, 83.49, 80.18, 81.17, 84.29, 83.49),
        },
        {"HACE above SCE": "17 of 18", "mean gain": "1.59", "largest gain": "5.06", "largest decrease": "0.99"},
    ),
    9: Table(
        9,
        "End to end, top-5: best of all dilutions and pairings",
        "top5",
        PAIRS,
        {
            "ResNet-18": (93.76, 93.01, 94.15, 88.63, 86.86, 83.73),
            "ResNet-34": (94.87, 93.77, 93.97, 93.64, 87.67, 88.08),
            "ResNet-50": (95.84, 94.63, 95.23, 90.58, 87.01, 80.73),
            "ConvNeXt-T": (68.88, 67.17, 66.34, 57.01, 73.79, 53.42),
            "ViT-B/16": (85.29, 85.25, 45.21, 33.99, 53.34, 51.23),
            "Swin-T": (83.06, 80.04, 73.06, 66.31, 69.25, 66.16),
        },
        {"HACE above SCE": "17 of 18", "mean gain": "4.46"},
    ),
    10: Table(
        10,
        "End to end on NABirds, top-5: eight methods",
        "top5",
        METHODS,
        {
            "ResNet-18": (86.86, 87.70, 83.73, 84.35, 84.70, 80.03, 82.83, 85.54),
            "ResNet-34": (87.67, 89.38, 88.08, 88.93, 88.09, 82.73, 85.53, 88.64),
            "ResNet-50": (87.01, 89.65, 80.73, 88.22, 87.87, 81.35, 83.49, 87.76),
            "ConvNeXt-T": (73.79, 79.04, 53.42, 62.78, 4.44, 4.54, 3.00, 2.23),
            "ViT-B/16": (53.34, 35.69, 51.23, 44.52, 33.05, 36.05, 38.10, 36.80),
            "Swin-T": (69.25, 70.01, 66.16, 70.15, 71.90, 66.57, 68.17, 69.67),
        },
        {},
    ),
    11: Table(
        11,
        "Linear probing, top-5: best of all dilutions and pairings",
        "top5",
        PROBES,
        {
            "CIFAR-100": (99.03, 98.94, 99.05, 98.97, 99.02, 98.99, 99.04, 98.96, 98.96, 98.92),
            "FGVC": (86.02, 81.43, 84.73, 81.10, 86.56, 81.76, 86.02, 81.47, 78.07, 73.11),
            "NABirds": (97.60, 97.21, 97.60, 97.11, 97.62, 97.23, 97.60, 97.21, 96.02, 88.35),
        },
        {"both best are HACE's": "3 of 3"},
    ),
}


@dataclass(frozen=True)
class Figure:
    """A figure of the paper: accuracy class by class at a level, HACE minus SCE, of ResNet-50 on FGVC.

    Attributes:
        number: its number.
        above: levels above the leaves.
        prose: what the text says about it.
    """

    number: int
    above: int
    prose: Mapping[str, str]


FIGURES = {
    2: Figure(2, 1, {"HACE at or above SCE": "59 of 70", "mean gain": "7.21"}),
    3: Figure(3, 2, {"HACE at or above SCE": "28 of 30", "mean gain": "4.21"}),
}
