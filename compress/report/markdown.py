"""Sets the report's document as Markdown that GitHub and plain text readers show alike."""

import re

from compress.common.document import Bullets, Code, Details, Paragraph, Row, Table
from compress.common.formatting import href
from compress.report.document import Block, Document, FactSheet, ImageRow, Item, Picture, Section

SPECIAL = re.compile(r"([\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w))")
"""What Markdown could read as markup in the middle of a line; an underscore within a word is not."""
ESCAPE = r"\\\1"


def markdown(document: Document) -> str:
    """The whole report; pictures are referred to as figures/NAME.png."""
    parts = [f"# {escaped(document.title)}", *(escaped(text) for text in document.lead)]
    parts += [_section(section) for section in document.sections]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line: nothing in it is read as markup."""
    return SPECIAL.sub(ESCAPE, " ".join(text.split()))


def _section(section: Section) -> str:
    heading = f"{'#' * section.level} {escaped(section.title)}"
    return "\n\n".join([heading, *(_block(block) for block in section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Picture():
            return f"![{escaped(block.alt)}](figures/{block.name}.png)\n\n*{escaped(block.caption)}*"
        case ImageRow():
            return _image_row(block)
        case FactSheet():
            return "\n".join(f"- **{escaped(item.term)}**: {_item(item)}" for item in block.items)
        case Table():
            return _table(block)
        case Details():
            return "\n\n".join([f"**{escaped(block.summary)}**", *(_block(one) for one in block.blocks)])
        case Paragraph() | Bullets() | Code():
            return _text(block)


def _text(block: Paragraph | Bullets | Code) -> str:
    match block:
        case Paragraph():
            return f"**{escaped(block.text)}**" if block.verdict else escaped(block.text)
        case Bullets():
            return "\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in block.items)
        case Code():
            return _code(block)


def _table(table: Table) -> str:
    def line(row: Row) -> str:
        cells = [escaped(cell) for cell in row.cells]
        if table.key is not None:
            cells[table.key] = f"**{cells[table.key]}**"
        return f"| {' | '.join(cells)} |"

    head = f"| {' | '.join(escaped(cell) for cell in table.head)} |"
    rule = f"| {' | '.join('---' if i in table.words else '---:' for i in range(len(table.head)))} |"
    return "\n".join([f"*{escaped(table.caption)}*", "", head, rule, *(line(row) for row in table.rows)])


def _item(item: Item) -> str:
    if item.is_command:
        # No backtick may end the code early: a name that holds one is set as text.
        return f"`{item.text}`" if "`" not in item.text and "\n" not in item.text else escaped(item.text)
    text = f"[{escaped(item.text)}]({href(item.link)})" if item.link else escaped(item.text)
    return text + SPECIAL.sub(ESCAPE, item.note.replace("\n", " "))


def _image_row(block: ImageRow) -> str:
    parts = []
    for photos, caption in block.groups:
        head = " | ".join(escaped(photo.title) for photo in photos)
        images = " | ".join(f"![{escaped(photo.alt)}](figures/{photo.name}.jpg)" for photo in photos)
        parts += [f"| {head} |\n| {' | '.join('---' for _ in photos)} |\n| {images} |", f"*{escaped(caption)}*"]
    return "\n\n".join(parts)


def _code(code: Code) -> str:
    # A fence longer than any run of backticks within, so that the text cannot end it.
    runs = [len(run) for run in re.findall(r"`+", code.text)]
    fence = "`" * max(3, *(length + 1 for length in runs), 3)
    title = f"{escaped(code.summary)}:\n\n" if code.summary else ""
    return f"{title}{fence}\n{code.text.rstrip()}\n{fence}"
