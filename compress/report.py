"""Writes the report of one or several runs: report.html, report.md, figures/*.png, and a single run's tables.

Facts first, picture second: everything that is drawn or worded comes from `report_facts`.
"""

from collections.abc import Sequence
from pathlib import Path

from compress.reporting.device_section import device_name
from compress.reporting.facts import ReportFacts, RunFacts, RunView, report_facts
from compress.reporting.figures import pareto_png, scales_png
from compress.reporting.html import page
from compress.reporting.kinematic_figures import joints_png, ranks_png
from compress.reporting.kinematic_sections import joints_name, ranks_name
from compress.reporting.markdown import markdown
from compress.reporting.quantized import quantized_views
from compress.reporting.quantized_figures import sensitivity_png
from compress.reporting.sections import COMBINED_NAME, document, pareto_name, quantized_name, scales_name, training_name
from compress.reporting.training_figures import training_png
from compress.tables import write_tables
from teachers.files import write_bytes, write_text


def write_report(out: Path, runs: Sequence[RunFacts]) -> list[Path]:
    """Writes the report into `out` and returns the files written. The same records give the same bytes.

    One run gets its candidates.csv and latency.csv as well; several runs keep theirs, each in its own folder.
    Raises ValueError if there is no run.
    """
    facts = report_facts(runs)
    text = document(facts)
    pictures = _pictures(facts)
    html = page(text, pictures)
    written = write_tables(out, runs[0].records, runs[0].objectives) if len(runs) == 1 else []
    for name, png in pictures.items():
        written.append(out / "figures" / f"{name}.png")
        write_bytes(written[-1], png)
    for name, content in (("report.md", markdown(text)), ("report.html", html)):
        written.append(out / name)
        write_text(written[-1], content)
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
