"""The report as a plain document: headings, paragraphs, lists, tables and figures.

The words are written once; HTML and Markdown are two ways to set them. All text here is plain and unescaped.
"""

from dataclasses import dataclass
from typing import Literal

from compress.report.explorer import Explorer
from compress.report.facts import PlotFacts


@dataclass(frozen=True)
class Paragraph:
    text: str
    verdict: bool = False
    """What somebody in a hurry should take away."""


@dataclass(frozen=True)
class Bullets:
    """A list; each item leads with a name and goes on with what is said of it."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    cells: tuple[str, ...]
    kind: Literal["plain", "teacher", "front", "failed"] = "plain"
    marked: bool = False
    """The one row that the text speaks of."""


@dataclass(frozen=True)
class Table:
    """The first cell of each row is its heading. `key` is the column to look at first."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    key: int | None = None
    words: tuple[int, ...] = (0,)
    """Columns that hold words and are set to the left; the others hold numbers."""
    wide: bool = False
    """Has so many columns that paper is turned for it."""


@dataclass(frozen=True)
class Picture:
    """A figure on disk, `figures/NAME.png`; `plot` is its interactive twin where there is one."""

    name: str
    alt: str
    caption: str
    plot: PlotFacts | None = None
    narrow: str | None = None
    """The name of the same picture drawn for a narrow screen."""
    explorer: Explorer | None = None
    """In place of `plot`: a twin in which the reader chooses the axes."""


@dataclass(frozen=True)
class Photo:
    """A photograph on disk, `figures/NAME.jpg`; `title` stands over it."""

    name: str
    alt: str
    title: str


@dataclass(frozen=True)
class Beside:
    """Groups of photographs that stand beside each other, each group with its caption."""

    groups: tuple[tuple[tuple[Photo, ...], str], ...]


@dataclass(frozen=True)
class Code:
    text: str
    summary: str = ""
    """With a summary the text is folded away under it."""


@dataclass(frozen=True)
class Folded:
    """Tables for those who want every number, folded away under a summary; paper and Markdown show them open."""

    summary: str
    tables: tuple[Table, ...]


Block = Paragraph | Bullets | Table | Picture | Beside | Code | Folded


@dataclass(frozen=True)
class Section:
    """`level` is that of the heading: 2 below the title, 3 below that."""

    level: Literal[2, 3]
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]
