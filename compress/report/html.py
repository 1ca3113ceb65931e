"""Sets the report's document as one HTML file that needs nothing else: style, script and pictures are inside.

Every text of a record goes through html.escape; nothing reaches the page any other way.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from compress.common.document import Bullets, Code, Folded, Paragraph, Row, Table
from compress.report.document import Beside, Block, Document, Photo, Picture
from compress.report.explorer_html import controls, explorer_call, explorer_script
from compress.report.plotly import draw_call, plotly_script
from compress.report.style import STYLE


def page(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The whole page. `pictures` holds the PNG of each Picture by its name, and by its narrow name if it has one."""
    sections = "\n".join(_sections(document, pictures))
    lead = "\n".join(f'<p class="lead">{escape(text)}</p>' for text in document.lead)
    title = escape(document.title)
    drawn = any(_is_interactive(block) for section in document.sections for block in section.blocks)
    library = f"<script>{plotly_script()}</script>" if drawn else ""
    # The library stands at the end, with the calls after it, so that the page can be read before it is loaded.
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
<noscript><style>.plot, .choose, .status {{ display: none; }} .still {{ display: block; }}</style></noscript>
</head>
<body>
<main>
<h1>{title}</h1>
{lead}
{_contents(document)}
{sections}
</main>
{library}
<script>{_calls(document)}</script>
</body>
</html>
"""


def _is_interactive(block: Block) -> bool:
    return isinstance(block, Picture) and (block.plot is not None or block.explorer is not None)


def _calls(document: Document) -> str:
    pictures = [block for section in document.sections for block in section.blocks if isinstance(block, Picture)]
    calls = [explorer_script()] if any(picture.explorer is not None for picture in pictures) else []
    for picture in pictures:
        if picture.explorer is not None:
            calls.append(explorer_call(_plot_id(picture), picture.explorer))
        elif picture.plot is not None:
            calls.append(draw_call(_plot_id(picture), picture.plot))
    return "\n".join(calls)


def _plot_id(picture: Picture) -> str:
    return f"plot-{picture.name}"


def _contents(document: Document) -> str:
    top = [(number, section) for number, section in enumerate(document.sections, 1) if section.level == 2]
    links = "".join(f'<li><a href="#s{number}">{escape(section.title)}</a></li>' for number, section in top)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


@dataclass(frozen=True)
class _Around:
    """What a block is set in: the pictures, and the section above a section that several runs have."""

    pictures: Mapping[str, bytes]
    owner: str = ""

    def label(self, text: str) -> str:
        """A name that no other landmark of the page has, escaped: with several runs the owner tells them apart."""
        return escape(f"{text}, {self.owner}" if self.owner else text)


def _sections(document: Document, pictures: Mapping[str, bytes]) -> Iterator[str]:
    above, owner = 0, ""
    for number, section in enumerate(document.sections, 1):
        if section.level == 2:
            above, owner = number, section.title
        inner = section.level > 2
        names = f"s{number} s{above}" if inner else f"s{number}"
        heading = f'<h{section.level} id="s{number}">{escape(section.title)}</h{section.level}>'
        around = _Around(pictures, owner if inner else "")
        body = "\n".join(_block(block, around) for block in section.blocks)
        yield f'<section aria-labelledby="{names}">\n{heading}\n{body}\n</section>'


def _block(block: Block, around: _Around) -> str:
    match block:
        case Picture():
            return _picture(block, around.pictures)
        case Beside():
            return _beside(block, around.pictures)
        case Table():
            return _table(block, around)
        case Folded():
            tables = "\n".join(_table(table, around) for table in block.tables)
            return f"<details><summary>{escape(block.summary)}</summary>\n{tables}\n</details>"
        case Paragraph() | Bullets() | Code():
            return _text(block)


def _text(block: Paragraph | Bullets | Code) -> str:
    match block:
        case Paragraph():
            return f'<p class="verdict">{escape(block.text)}</p>' if block.verdict else f"<p>{escape(block.text)}</p>"
        case Bullets():
            items = "".join(f"<li><strong>{escape(name)}</strong>: {escape(text)}</li>" for name, text in block.items)
            return f'<ul class="named">{items}</ul>'
        case Code():
            text = f"<pre><code>{escape(block.text)}</code></pre>"
            return f"<details><summary>{escape(block.summary)}</summary>{text}</details>" if block.summary else text


def _table(table: Table, around: _Around) -> str:
    def kind(column: int) -> str:
        names = [name for name, holds in (("words", column in table.words), ("key", column == table.key)) if holds]
        return f' class="{" ".join(names)}"' if names else ""

    def line(row: Row) -> str:
        first = f'<th scope="row"{kind(0)}>{escape(row.cells[0])}</th>'
        rest = "".join(f"<td{kind(column)}>{escape(cell)}</td>" for column, cell in enumerate(row.cells[1:], 1))
        return f'<tr class="{row.kind}{" marked" if row.marked else ""}">{first}{rest}</tr>'

    head = "".join(f'<th scope="col"{kind(column)}>{escape(cell)}</th>' for column, cell in enumerate(table.head))
    caption = escape(table.caption)
    # Focusable, so that a keyboard can scroll it.
    return (
        f'<div class="scroll{" wide" if table.wide else ""}" role="region" tabindex="0" '
        f'aria-label="{around.label(table.caption)}"><table>'
        f"<caption><span>{caption}</span></caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{chr(10).join(line(row) for row in table.rows)}</tbody></table></div>"
    )


def _picture(picture: Picture, pictures: Mapping[str, bytes]) -> str:
    image = f'<img src="{_data(pictures[picture.name])}" alt="{escape(picture.alt)}">'
    if picture.narrow is not None:
        narrow = _data(pictures[picture.narrow])
        image = f'<picture><source media="screen and (max-width: 640px)" srcset="{narrow}">{image}</picture>'
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>"
    if not _is_interactive(picture):
        return f'<figure><div class="card">{image}</div>{caption}</figure>'
    # The still picture takes the plot's place on paper and where scripts do not run.
    if picture.explorer is not None:
        plot = controls(_plot_id(picture), picture.explorer, picture.alt)
    else:
        plot = f'<div class="plot" id="{_plot_id(picture)}" role="img" aria-label="{escape(picture.alt)}"></div>'
    return f'<figure><div class="card pareto">{plot}<div class="still">{image}</div></div>{caption}</figure>'


def _beside(block: Beside, pictures: Mapping[str, bytes]) -> str:
    def photo(one: Photo) -> str:
        image = f'<img src="{_data(pictures[one.name])}" alt="{escape(one.alt)}">'
        return f"<div><p>{escape(one.title)}</p>{image}</div>"

    groups = "\n".join(
        f'<figure class="beside"><div>{"".join(photo(one) for one in photos)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for photos, caption in block.groups
    )
    return f'<div class="pairs">\n{groups}\n</div>'


def _data(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
