"""Writes the report of one or several runs: report.html, report.md, figures/*.png, and a single run's tables.

Records -> facts -> sections -> page: everything that is drawn or worded comes from `report_facts`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from compress.common.run_folder import FIGURES
from compress.report.collect import report_facts
from compress.report.document import Document
from compress.report.facts import RunFacts, RunView
from compress.report.html import page
from compress.report.markdown import markdown
from compress.report.sections.example_frame import PHOTOS
from compress.report.sections.outline import document
from compress.results.search_facts import SearchFacts
from compress.results.search_file import SEARCH, keep_search
from compress.results.tables import write_tables
from compress.results.trials_table import write_trials
from teachers.common.files import write_bytes, write_text


def write_report(out: Path, runs: Sequence[RunFacts], search: SearchFacts | None = None) -> list[Path]:
    """Writes the report into `out` and returns the files written. The same records give the same bytes.

    One run gets its candidates.csv and latency.csv as well; several runs keep theirs, each in its own folder.
    `search` is that of the first run; it is kept in search.json, so that the report can be drawn again without it.
    Raises ValueError if there is no run.
    """
    if search is not None and runs:
        keep_search(out, search)
        runs = [replace(runs[0], search=search), *runs[1:]]
    facts = report_facts(runs, out)
    text = document(facts)
    pictures = dict(_pictures(text))
    written = _tables(out, runs[0], facts.runs[0]) if len(runs) == 1 else []
    files = {f"{name}.png": picture for name, picture in pictures.items()}
    files |= {f"{photo.name}.jpg": photo.jpeg for photo in text.photos()}
    for name, data in files.items():
        written.append(out / FIGURES / name)
        write_bytes(written[-1], data)
    for stale in {*(out / FIGURES).glob(f"{PHOTOS}*.jpg")} - {*written}:
        stale.unlink()  # a face that the recipe no longer lets be seen
    for name, content in (("report.md", markdown(text)), ("report.html", page(text, pictures))):
        written.append(out / name)
        write_text(written[-1], content)
    return written


def _pictures(text: Document) -> Iterator[tuple[str, bytes]]:
    """PNG of each figure, by the name that the document calls it by."""
    for picture in text.pictures():
        yield picture.name, picture.draw(False)
        if picture.has_narrow:
            yield f"{picture.name}-narrow", picture.draw(True)


def _tables(out: Path, run: RunFacts, view: RunView) -> list[Path]:
    written = write_tables(out, run.records, run.objectives, [record.name for record in view.ranked])
    if run.search is not None:
        written += [write_trials(out, run.search), out / SEARCH]
    return written
