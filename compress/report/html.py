"""Sets the report's document as one HTML file that needs nothing else: style, script and pictures are inside.

The template escapes every text. Only style, script and library, which hold no text of a record unescaped, are safe.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from compress.common.document import Row, Table
from compress.common.formatting import href
from compress.report.document import Document, Section
from compress.report.plotly import explorer_call, plotly_script
from compress.results.column_text import axis_title

PAGE = Path(__file__).with_name("page")
_STACK_BELOW = ((46, ""), (76, "stack-s"), (110, "stack-m"))
"""Tables of at most so many letters in a row fit any screen, then those that fit a tablet, then a desk."""
_SCRIPT = """
document.getElementById("open-all")?.addEventListener("click", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});
"""


@dataclass(frozen=True)
class PlacedSection:
    """A section with the anchors that the page gives it."""

    section: Section
    id: str
    labelled_by: str
    """Its own heading and, for a section that several runs have, the one above."""
    owner: str
    """The title of the section above, which tells equal landmarks apart; empty at the top level."""


def page(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The whole page. `pictures` holds the PNG of each Picture by its name, and by its narrow name if it has one."""
    placed = _placed(document.sections)
    groups = _groups(placed)
    calls = [
        explorer_call(f"plot-{picture.name}", picture.explorer)
        for picture in document.pictures()
        if picture.explorer is not None
    ]
    return _environment().get_template("page.html.j2").render(
        document=document,
        groups=groups,
        links=_links(placed),
        open_all_after=next((i - 1 for i, group in enumerate(groups) if group[0].section.is_folded), -1),
        image=lambda name: _data_url(pictures[name]),
        style=(PAGE / "style.css").read_text(encoding="utf-8"),
        # The library stands at the end, with the calls after it, so that the page can be read before it is loaded.
        library=plotly_script() if calls else "",
        script="\n".join([*([(PAGE / "explorer.js").read_text(encoding="utf-8")] if calls else []), *calls, _SCRIPT]),
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "axis_title": axis_title,
        "cell_class": _cell_class,
        "data_url": _data_url,
        "href": href,
        "kind": lambda block: type(block).__name__,
        "landmark": lambda text, owner: f"{text}, {owner}" if owner else text,
        "row_class": _row_class,
        "stack_class": _stack_class,
    }
    return environment


def _placed(sections: Sequence[Section]) -> list[PlacedSection]:
    found: list[PlacedSection] = []
    above = PlacedSection(Section(2, "", ()), "", "", "")
    for number, section in enumerate(sections, 1):
        own = f"s{number}"
        if section.level == 2:
            above = PlacedSection(section, own, own, "")
            found.append(above)
        else:
            found.append(PlacedSection(section, own, f"{own} {above.id}", above.section.title))
    return found


def _groups(placed: Sequence[PlacedSection]) -> list[list[PlacedSection]]:
    """Neighbours that stand beside each other where the screen is wide; all others alone."""
    groups: list[list[PlacedSection]] = []
    for one in placed:
        if one.section.is_half and groups and len(groups[-1]) == 1 and groups[-1][0].section.is_half:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _links(placed: Sequence[PlacedSection]) -> list[PlacedSection]:
    """Several runs need a table of contents; the folded headings of a single one are its own."""
    if not any(one.section.level == 3 for one in placed):
        return []
    return [one for one in placed if one.section.level == 2]


def _stack_class(table: Table) -> str:
    """Below which width its rows become cards. Two columns wrap on any screen."""
    if table.minor or len(table.head) <= 2:
        return ""
    columns = zip(table.head, *(row.cells for row in table.rows), strict=True)
    letters = sum(max(min(len(text), 34) for text in texts) + 2 for texts in columns)
    return next((name for most, name in _STACK_BELOW if letters <= most), "stack-l")


def _cell_class(table: Table, place: int) -> Markup:
    names = (("words", place in table.words), ("key", place == table.key), ("minor", place in table.minor))
    found = " ".join(name for name, holds in names if holds)
    return Markup(' class="{}"').format(found) if found else Markup("")


def _row_class(row: Row) -> Markup:
    names = " ".join(([] if row.kind == "plain" else [row.kind]) + (["marked"] if row.marked else []))
    return Markup(' class="{}"').format(names) if names else Markup("")


def _data_url(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
