"""What a page is written in: paragraphs, lists, tables and code, as plain records.

The words are written once; HTML and Markdown are two ways to set them. All text here is plain and unescaped. A metric's
section of the report is a sequence of these blocks; the report adds pictures of its own (compress/report/document.py).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Paragraph:
    text: str
    verdict: bool = False
    """The answer to the question of its section, set apart."""


@dataclass(frozen=True)
class Bullets:
    """A list; each item leads with a name and goes on with what is said of it."""

    items: tuple[tuple[str, str], ...]


RowKind = Literal["plain", "teacher", "front", "failed"]


@dataclass(frozen=True)
class Row:
    cells: tuple[str, ...]
    kind: RowKind = "plain"
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
    minor: tuple[int, ...] = ()
    """Columns that a narrow screen leaves out; another table of the page has them."""


@dataclass(frozen=True)
class Code:
    text: str
    summary: str = ""
    """With a summary the text is folded away under it."""


@dataclass(frozen=True)
class Details:
    """Blocks folded away under a summary; paper and Markdown show them open."""

    summary: str
    blocks: tuple["Block", ...]


Block = Paragraph | Bullets | Table | Code | Details
