"""What a report is made of. All texts are plain: the renderer escapes them, so that no name can break a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind = Literal["query", "same", "near", "other"]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Attributes:
        text: its text.
        soft: a remark, in the colour of captions.
    """

    text: str
    soft: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of texts."""

    items: Sequence[str]


@dataclass(frozen=True)
class Commands:
    """Commands to type, each with what it shows."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """A text in letters of one width, line by line."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table, the first column to the left.

    Attributes:
        header: titles of the columns.
        rows: cells, as many a row as there are columns.
        numbers: all but the first column hold figures and stand to the right; else texts, to the left.
        grey: rows that show nothing beyond chance.
        strong: rows that the report is about.
        faint: (row, column) of cells that show nothing beyond chance, in rows that may be grey or not.

    Raises:
        ValueError: a row of another length than the header, or a mark of a row or cell that is not there.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True
    grey: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()
    faint: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(f"row {number} has {len(row)} cells under {len(self.header)} titles")
        for number in self.grey | self.strong:
            if not 0 <= number < len(self.rows):
                raise ValueError(f"row {number} is marked, but there are {len(self.rows)} rows")
        for number, column in self.faint:
            if not (0 <= number < len(self.rows) and 0 < column < len(self.header)):
                raise ValueError(f"cell {column} of row {number} is marked, but there is none")


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
        source: data URI.
        alt: what it shows, for those who do not see it.
        caption: text below.
    """

    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: what it is; lines of one name have one colour in all charts of a group.
        x: ascending positions.
        y: values, as many; NaN leaves a gap.

    Raises:
        ValueError: the lengths differ.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"line {self.name!r} has {len(self.x)} positions and {len(self.y)} values")


@dataclass(frozen=True)
class Chart:
    """A small chart.

    Attributes:
        title: what is drawn upwards, with its unit.
        across: what is drawn to the right, with its unit.
        lines: what is drawn.
        filled: shade what lies below the lines, which then begin at 0 (histograms).
    """

    title: str
    across: str
    lines: Sequence[Line]
    filled: bool = False


@dataclass(frozen=True)
class Charts:
    """Charts side by side under one legend."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Tile:
    """A small picture in a row of such.

    Attributes:
        source: data URI, or None for a placeholder.
        alt: what it shows.
        kind: "query"; or a result: of the "same" class, "near" (of the same super-class alone), or "other"; None
            where nothing is known.
        lines: texts below it.
    """

    source: str | None
    alt: str
    kind: Kind | None
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Tiles:
    """Rows of tiles."""

    rows: Sequence[Sequence[Tile]]


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown or hidden by a click on their title.

    Attributes:
        title: what is clicked.
        blocks: what is hidden.
        opened: shown from the start.
    """

    title: str
    blocks: Sequence[Block]
    opened: bool = False


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: its heading.
        lead: blocks before the first section.
        sections: its sections; each has a link at the top of the page.
    """

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section] = field(default_factory=tuple)


Block: TypeAlias = Paragraph | Bullets | Commands | Code | Table | Picture | Charts | Tiles | Fold
