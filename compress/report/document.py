"""The report as a plain document: text blocks (compress/common/document.py), figures, photographs and sections.

The words are written once; HTML and Markdown are two ways to set them. All text here is plain and unescaped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from compress.common.document import Block as TextBlock
from compress.report.explorer import Explorer
from compress.report.figures.canvas import DrawFigure


@dataclass(frozen=True)
class Picture:
    """A figure on disk, `figures/NAME.png`."""

    name: str
    alt: str
    caption: str
    draw: DrawFigure = field(compare=False)
    has_narrow: bool = False
    """Whether narrow screens get a shape of their own, `figures/NAME-narrow.png`."""
    explorer: Explorer | None = None
    """Its interactive twin, in which the reader chooses the axes."""


@dataclass(frozen=True)
class Photo:
    """A photograph on disk, `figures/NAME.jpg`; `title` stands over it."""

    name: str
    alt: str
    title: str
    jpeg: bytes = field(compare=False, repr=False)


@dataclass(frozen=True)
class ImageRow:
    """Groups of photographs that stand beside each other, each group with its caption."""

    groups: tuple[tuple[tuple[Photo, ...], str], ...]


@dataclass(frozen=True)
class Item:
    """One line of a fact sheet."""

    term: str
    text: str
    link: str = ""
    """Where the text leads: a path from the report's folder."""
    note: str = ""
    """What follows the text."""
    is_command: bool = False


@dataclass(frozen=True)
class FactSheet:
    """Terms with what is to be known of each: a file with its link, a command to copy."""

    items: tuple[Item, ...]


Block = TextBlock | Picture | ImageRow | FactSheet


@dataclass(frozen=True)
class Section:
    """`level` is that of the heading: 2 below the title, 3 below that."""

    level: Literal[2, 3]
    title: str
    blocks: tuple[Block, ...]
    is_folded: bool = True
    """Closed until the reader opens it; paper and Markdown show it open."""
    is_half: bool = False
    """Stands beside a neighbour that is half, too, where the screen is wide."""


@dataclass(frozen=True)
class Document:
    about: str
    """Which runs it is of, for a later call that would write over it."""
    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """Every figure, in the order of the page."""
        yield from (block for section in self.sections for block in section.blocks if isinstance(block, Picture))

    def photos(self) -> Iterator[Photo]:
        """Every photograph, each name once."""
        rows = [block for section in self.sections for block in section.blocks if isinstance(block, ImageRow)]
        photos = {photo.name: photo for row in rows for group, _ in row.groups for photo in group}
        yield from photos.values()
