"""Writes the report of one or several runs: report.html, report.md, figures/*.png, and a single run's tables.

Facts first, picture second: everything that is drawn or worded comes from `report_facts`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compress.report.device_section import device_name
from compress.report.facts import ReportFacts, RunFacts, RunView
from compress.report.figures import pareto_png, scales_png
from compress.report.html import page
from compress.report.kinematic_figures import joints_png, ranks_png
from compress.report.kinematic_sections import joints_name, ranks_name
from compress.report.markdown import markdown
from compress.report.people_section import PHOTOS, people_pictures
from compress.report.quantized import quantized_views
from compress.report.quantized_figures import sensitivity_png
from compress.report.search_sections import search_pictures
from compress.report.sections import COMBINED_NAME, document, pareto_name, quantized_name, scales_name, training_name
from compress.report.training_figures import training_png
from compress.report.views import report_facts
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
    facts = report_facts(runs)
    text = document(facts)
    pictures = _pictures(facts)
    html = page(text, pictures)
    written = _tables(out, runs[0], facts.runs[0]) if len(runs) == 1 else []
    for name, picture in pictures.items():
        suffix = "jpg" if picture.startswith(_JPEG) else "png"
        written.append(out / "figures" / f"{name}.{suffix}")
        write_bytes(written[-1], picture)
    for stale in {*(out / "figures").glob(f"{PHOTOS}*.jpg")} - {*written}:
        stale.unlink()  # a face that the recipe no longer lets be seen
    for name, content in (("report.md", markdown(text)), ("report.html", html)):
        written.append(out / name)
        write_text(written[-1], content)
    return written


_JPEG = b"\xff\xd8"


def _tables(out: Path, run: RunFacts, view: RunView) -> list[Path]:
    written = write_tables(out, run.records, run.objectives, [record.name for record in view.ranked])
    if run.search is not None:
        written += [write_trials(out, run.search), out / SEARCH]
    return written


def _pictures(facts: ReportFacts) -> dict[str, bytes]:
    """PNG of each figure, by the name that the document calls it by."""
    pictures: dict[str, bytes] = {}
    if facts.combined is not None:
        pictures[COMBINED_NAME] = pareto_png(facts.combined)
    for index, run in enumerate(facts.runs):
        if run.plot is not None:
            pictures[pareto_name(index)] = pareto_png(run.plot)
        if run.panels:
            pictures[scales_name(index)] = scales_png(run.panels, columns=2)
            pictures[f"{scales_name(index)}-narrow"] = scales_png(run.panels, columns=1)
        pictures |= search_pictures(run.search, index)
        pictures |= people_pictures(run, index)
        pictures |= _angles(run, index)
        pictures |= {
            device_name(index, number): pareto_png(device.plot)
            for number, device in enumerate(run.devices)
            if device.plot is not None
        }
        if run.training:
            pictures[training_name(index)] = training_png(run.training)
            pictures[f"{training_name(index)}-narrow"] = training_png(run.training, narrow=True)
        if quantized := quantized_views([candidate.record for candidate in run.candidates]):
            pictures[quantized_name(index)] = sensitivity_png(quantized)
    return pictures


def _angles(run: RunView, index: int) -> dict[str, bytes]:
    view = run.kinematics
    if view is None:
        return {}
    pictures: dict[str, bytes] = {}
    if panels := view.panels():
        pictures[joints_name(index)] = joints_png(panels, columns=2)
        pictures[f"{joints_name(index)}-narrow"] = joints_png(panels, columns=1)
    if view.draws_ranks:
        noise = view.noise[0].headline.median_deg if len(view.noise) == 1 else None
        pictures[ranks_name(index)] = ranks_png(view.ranks[0], noise)
        pictures[f"{ranks_name(index)}-narrow"] = ranks_png(view.ranks[0], noise, narrow=True)
    return pictures
