"""The report as a plain document: headings, paragraphs, lists, tables and figures.

The words are written once; HTML and Markdown are two ways to set them. All text here is plain and unescaped.
"""

from dataclasses import dataclass
from typing import Literal

from compress.common.document import Block as TextBlock
from compress.report.explorer import Explorer
from compress.report.facts import PlotFacts


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


Block = TextBlock | Picture | Beside


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
