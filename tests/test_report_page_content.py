"""The report: its facts first, then that the pages say them, safely and the same every time."""

import base64
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from compress_made_up import (
    CONDITIONS,
    LICENCE,
    OBJECTIVES,
    angle_records,
    failed,
    latency,
    measured,
    record,
    run_of,
    stage_records,
    times,
)  # fmt: skip

from compress.common.document import Block, Details, Table
from compress.common.formatting import scaled, significant
from compress.measure.memory import Memory
from compress.report.collect import report_facts
from compress.report.document import Document, FactSheet, Section
from compress.report.explorer import plot_axes
from compress.report.facts import ReportFacts
from compress.report.figures.label_placement import Box, around, place_labels
from compress.report.figures.pareto import pareto_png
from compress.report.markdown import escaped
from compress.report.plotly import explorer_call
from compress.report.sections.outline import document
from compress.report.write import write_report
from compress.results.records import Record
from compress.results.sentences import cost

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>|`x`\n# no $y$ [a](javascript:b) **&lt;**"


def facts_of(records: list[Record], objectives: tuple[str, ...] = OBJECTIVES) -> ReportFacts:
    return report_facts([run_of(records, objectives=objectives)])


def all_text(text: Document) -> str:
    return repr(text)


def tables_of(section: Section) -> list[Table]:
    """Every table of a section, also those that are folded."""
    inside: list[Block] = [one for block in section.blocks if isinstance(block, Details) for one in block.blocks]
    return [block for block in (*section.blocks, *inside) if isinstance(block, Table)]


def section_of(facts: ReportFacts, title: str) -> Section:
    (found,) = [section for section in document(facts).sections if section.title == title]
    return found


class Page(HTMLParser):
    """Element counts, headings and text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(f"{tag}.{name}", value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(out, [run_of([*stage_records(), failed(), failed(HOSTILE, HOSTILE)])])
    return out


def test_the_front_and_its_teacher() -> None:
    plot = facts_of(stage_records()).runs[0].explorer
    assert plot is not None
    assert [point.name for point in plot.points if point.kind == "teacher"] == ["teacher"]
    assert all(point.on_front for point in plot.points)
    assert [(point.name, x, y) for point, x, y in plot.front()][:2] == [
        ("stages-1", 700 / 1500, 0.226),
        ("stages-2", 860 / 1500, 0.171),
    ]
    assert plot.points[3].intervals[plot.chosen[0]] == pytest.approx((0.67, 0.69))


def test_time_goes_to_the_right_and_the_first_other_objective_up() -> None:
    assert plot_axes(("size_bytes", "latency_ms")) == ("latency_ms", "size_bytes")
    assert plot_axes(("joint_rel_l2",)) == ("latency_ratio", "joint_rel_l2")
    assert plot_axes(("macs", "paf_rel_l2")) == ("macs", "paf_rel_l2")


def test_what_a_candidate_costs_in_a_sentence() -> None:
    run = facts_of([*stage_records(), failed()]).runs[0]
    sentences = {candidate.record.name: cost(candidate.record) for candidate in run.candidates}
    assert sentences["stages-3"] == (
        "0.68x the teacher's time (0.67-0.69), 1.47 times as fast; joints differ by 12.3%, PAFs by 32.4%"
    )
    assert sentences["stages-0"] == "failed: ValueError: a network needs a stage"
    assert "1500 ms" in sentences["teacher"]


def test_no_verdict_on_speed_within_the_interval() -> None:
    same = record("same", measured(5).replaced(times(latency(1495, 0.997))))
    slow = record("slow", measured(5).replaced(times(latency(1800, 1.2))))
    _, first, second = facts_of([stage_records()[0], same, slow]).runs[0].candidates
    assert "not measurably faster or slower" in cost(first.record)
    assert "slower: 1.20 times" in cost(second.record)
    assert first.near == ("teacher",)


def test_timing_noise_is_told_in_two_sentences() -> None:
    near = record("near-3", measured(2).replaced(times(latency(1010, 1010 / 1500))))
    text = all_text(document(facts_of([*stage_records()[:4], near])))
    assert "On the front only by a time within noise of the candidate in brackets: near-3 (stages-3)." in text
    assert "Times within noise of each other: stages-3 and near-3." in text
    assert "within noise" not in all_text(document(facts_of(stage_records())))


def test_what_was_compared_is_told_apart_from_the_machine() -> None:
    sections = {section.title: section.blocks for section in document(facts_of(stage_records())).sections}
    sample, machine = sections["Teacher, frames and candidates"][0], sections["Machine and versions"][0]
    assert isinstance(sample, Table) and isinstance(machine, Table)
    told = dict(row.cells for row in sample.rows)
    assert told["Frames compared"] == "100"
    assert told["Frames that could not be read"] == "000017: cut short"
    assert told["Image scales"] == "0.5, 1.0, 1.5, 2.0"
    assert told["Steps of stages-3"] == "remove_stages(stages=3)"
    assert machine.rows[0].cells == ("machine: cpu", "Made-up CPU @ 2.60GHz")
    assert not {row.cells[0] for row in machine.rows} & {row.cells[0] for row in sample.rows}


def test_a_condition_without_any_value_is_not_listed() -> None:
    kept = CONDITIONS | {"allocation": {"kept": True, "reason": None}}
    refused = CONDITIONS | {"allocation": {"kept": False, "reason": "no right to"}}
    records = [found.model_copy(update={"conditions": kept}) for found in stage_records()]
    listed = facts_of(records).runs[0].conditions
    assert listed["allocation.kept"] == {"True": tuple(found.name for found in records)}
    assert "allocation.reason" not in listed
    assert listed["images_unreadable"], "an empty list is a value"
    mixed = facts_of([*records, record("odd", measured(3), conditions=refused)]).runs[0].conditions
    assert mixed["allocation.reason"]["no right to"] == ("odd",)
    assert "teacher" in mixed["allocation.reason"]["none"]


def test_no_caption_repeats_the_heading_above_it() -> None:
    sections = document(facts_of([*angle_records(), record("bare")])).sections
    captions = [(s.title, table.caption) for s in sections for table in tables_of(s)]
    assert len(captions) >= 12
    assert not [pair for pair in captions if pair[0] == pair[1]]


def test_mixed_conditions_are_warned_of() -> None:
    odd = record("odd", measured(3), conditions=CONDITIONS | {"python": "3.12.1"})
    run = facts_of([*stage_records(), odd]).runs[0]
    assert run.conditions["python"]["3.12.1"] == ("odd",)
    assert "compare with care: python." in all_text(document(facts_of([*stage_records(), odd])))
    assert "compare with care" not in all_text(document(facts_of(stage_records())))


@pytest.mark.parametrize("records", [[], [failed()], [failed(), record("bare")], stage_records()[1:3]])
def test_poor_runs_still_give_a_report(records: list[Record], tmp_path: Path) -> None:
    paths = write_report(tmp_path, [run_of(records)])
    assert {"report.html", "report.md", "candidates.csv"} <= {path.name for path in paths}
    assert "no record" in (tmp_path / "report.md").read_text()


def test_every_file_is_there_and_large_enough_to_read(written: Path) -> None:
    for name, least in (("pareto", 1000), ("time_per_scale", 1400), ("time_per_scale-narrow", 550)):
        picture = cv2.imread(str(written / "figures" / f"{name}.png"))
        assert picture is not None
        assert picture.shape[1] >= least
        assert np.ptp(picture) > 200
    assert not list(written.rglob(".*")), "a temporary file was left behind"


def test_the_page_is_one_file_and_sound_html(written: Path) -> None:
    html = (written / "report.html").read_text()
    page = Page(html)
    assert ("html.lang", "en") in page.attributes
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.tags.count("caption") == page.tags.count("table") >= 5
    assert all(value for name, value in page.attributes if name == "img.alt")
    assert [name for name, _ in page.attributes].count("img.alt") == page.tags.count("img") == 2
    links = [value or "" for name, value in page.attributes if name.rpartition(".")[2] in ("src", "href", "srcset")]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "link" not in page.tags
    identifiers = [value for name, value in page.attributes if name.endswith(".id")]
    assert len(identifiers) == len(set(identifiers))
    for word in (
        "openpose-mobilenet-thin",
        "Apache-2.0",
        "Made-up CPU",
        "12.3%",
        "MACs",
        "sports2d-demo",
        "100 frames",
    ):
        assert word in page.text
    assert "FLOP" not in page.text
    embedded = next(link for link in links if link.startswith("data:"))
    assert base64.b64decode(embedded.partition(",")[2]) == (written / "figures" / "pareto.png").read_bytes()


def test_a_hostile_record_injects_nothing(written: Path) -> None:
    page = Page((written / "report.html").read_text())
    assert page.tags.count("script") == 2
    assert not [name for name, _ in page.attributes if name.endswith(".onerror")]
    assert "alert(2)" in page.text
    plot = facts_of([*stage_records(), record(HOSTILE, measured(3))]).runs[0].explorer
    assert plot is not None
    call = explorer_call("plot", plot)
    assert "alert(1)" in call
    assert "<" not in call.replace("\\u003c", "")


def test_markdown_shows_a_hostile_name_as_it_is(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "<script" not in text.replace("\\<", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) > 30
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "alert" in row}
    assert widths <= {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "teacher" in row or "Steps" in row}
    assert escaped("a|b\n*c* joint_rel_l2 _d_") == r"a\|b \*c\* joint_rel_l2 \_d\_"
    for name in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (written / name).is_file()


@pytest.mark.usefixtures("without_pictures")
def test_the_recipe_cannot_end_its_own_fence(tmp_path: Path) -> None:
    run = run_of(stage_records())
    write_report(tmp_path, [type(run)(run.label, run.records, "a: '```'\n", run.objectives, run.command)])
    assert "````\na: '```'\n````" in (tmp_path / "report.md").read_text()


def test_the_same_records_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    paths = write_report(tmp_path, [run_of([*stage_records(), failed(), failed(HOSTILE, HOSTILE)])])
    assert len(paths) == 7
    for path in paths:
        assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes(), path.name


def test_a_candidate_equal_to_the_teacher_breaks_no_plot(recwarn: pytest.WarningsRecorder) -> None:
    """Same time, same maps: both are on the front, the axes keep a length, and nothing is told on the terminal."""
    teacher = stage_records()[0]
    twin = record("twin", teacher.measurement, stages=6)
    for records in ([teacher, twin], [teacher, twin, *stage_records()[1:]], [teacher]):
        plot = facts_of(records).runs[0].explorer
        assert plot is not None and all(point.on_front for point in plot.points)
        picture = cv2.imdecode(np.frombuffer(pareto_png(plot), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and np.ptp(picture) > 200
    text = all_text(document(facts_of([teacher, twin])))
    assert "Times within noise of each other: teacher and twin." in text
    assert [str(warning.message) for warning in recwarn] == []


def test_no_figure_warns_whatever_the_names(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    odd = [record(name, measured(3), stages=3) for name in ("網路", "$x^2_{$", "a" * 90, "n\nl")]
    write_report(tmp_path, [run_of([*angle_records(), *odd, failed()])])
    write_report(tmp_path / "one", [run_of(stage_records()[:1])])
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.usefixtures("without_pictures")
def test_several_runs_have_a_section_each_and_one_plot_together(tmp_path: Path) -> None:
    runs = [run_of(stage_records(), "first"), run_of(stage_records()[:4], "second")]
    paths = write_report(tmp_path, runs)
    assert {path.name for path in paths} >= {"pareto-all.png", "pareto.png", "pareto-2.png", "report.html"}
    assert "candidates.csv" not in {path.name for path in paths}
    (group,) = report_facts(runs).groups
    assert group.explorer is not None
    assert "stages-5 (second)" in {point.name for point in group.explorer.points}
    titles = [section.title for section in document(report_facts(runs)).sections if section.level == 2]
    assert titles == ["Pareto front of all runs", "Runs", "first", "second"]
    different = [runs[0], run_of(stage_records(), "third", ("latency_ms", "paf_rel_l2"))]
    assert [group.explorer for group in report_facts(different).groups] == [None, None]
    assert "objectives" in all_text(document(report_facts(different)))


def test_no_run_is_a_programmers_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        write_report(tmp_path, [])


def test_every_row_of_every_table_is_as_wide_as_its_head() -> None:
    sections = document(facts_of([*angle_records(), failed(), record("bare")])).sections
    tables = [table for section in sections for table in tables_of(section)]
    assert len(tables) >= 7 + 2 + 8
    for table in tables:
        assert {len(row.cells) for row in table.rows} == {len(table.head)}, table.caption


def test_what_decides_stands_open_and_the_rest_is_folded() -> None:
    sections = document(facts_of(angle_records())).sections
    assert [section.title for section in sections if not section.is_folded] == [
        "Recommended model",
        "Pareto front",
        "Candidates",
    ]
    assert [section.is_folded for section in sections] == sorted(section.is_folded for section in sections)
    assert len([section for section in sections if section.is_folded]) >= 8


def test_the_first_table_begins_with_what_decides() -> None:
    (table,) = tables_of(section_of(facts_of([*angle_records(), failed()]), "Candidates"))
    assert table.head == (
        "Candidate", "Recommended", "Time [ms]", "Ratio (95%)", "Decoding [ms]", "Joints L2", "PAFs L2",
        "Angle error [deg]", "Tier", "Front", "OKS", "MACs", "File", "Memory",
    )  # fmt: skip
    assert [row.cells[0] for row in table.rows] == [
        "teacher", "stages-1", "stages-2", "stages-3", "stages-4", "stages-5", "stages-0 (failed)",
    ]  # fmt: skip
    assert table.rows[5].cells[:10] == (
        "stages-5", "yes", "1340", "0.89x (0.88-0.90)", "8.50", "6.2%", "15.5%", "1.5 / 5.6", "usable with care", "yes",
    )  # fmt: skip
    assert [row.marked for row in table.rows] == [False] * 5 + [True, False]
    assert "Licence of all: Apache-2.0." in table.caption
    # Other columns are left out on a phone, and stand in the folded tables.
    assert [table.head[place] for place in range(len(table.head)) if place not in table.minor] == [
        "Candidate", "Time [ms]", "Ratio (95%)", "Joints L2", "Angle error [deg]",
    ]  # fmt: skip


def test_dominated_candidates_follow_the_front_and_columns_without_values_are_left_out() -> None:
    slow = record("slow", measured(1).replaced(times(latency(1600, 1.07))).without(Memory))
    records = [one.model_copy(update={"measurement": one.measurement.without(Memory)})
               for one in stage_records()]  # fmt: skip
    (table,) = tables_of(section_of(facts_of([*records, slow]), "Candidates"))
    assert table.rows[-1].cells[0] == "slow" and table.rows[-1].kind == "plain"
    assert not {"Memory", "OKS", "Angle error [deg]", "Tier", "Licence"} & set(table.head)
    other = record("other", measured(2), licence=LICENCE.model_copy(update={"name": "GPL-3.0"}))
    (mixed,) = tables_of(section_of(facts_of([*records, other]), "Candidates"))
    assert mixed.head[-1] == "Licence" and "Licence of all" not in mixed.caption


@pytest.mark.usefixtures("without_pictures")
def test_the_recommended_model_is_a_file_with_a_link_and_a_command(tmp_path: Path) -> None:
    model = tmp_path / "run" / "candidates" / "stages-5" / "model.onnx"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"x" * 7000)
    run = replace(run_of(angle_records()), folder=tmp_path / "run")
    written = write_report(tmp_path / "elsewhere", [run])
    (sheet,) = [b for b in section_of(report_facts([run], tmp_path / "run"), "Recommended model").blocks
                if isinstance(b, FactSheet)]  # fmt: skip
    told = {item.term: item.text for item in sheet.items}
    assert told["File"] == "candidates/stages-5/model.onnx"
    assert [item.note for item in sheet.items if item.note] == [" (7.00 kB)"]
    assert told["Run it"] == "compress predict candidates/stages-5/model.onnx IMAGE"
    assert told["On a video"] == "compress kinematics VIDEO --model candidates/stages-5/model.onnx"
    assert told["Speed"].startswith("0.746 frames per second (1340 ms of network time, scales 0.5, 1,")
    assert told["Licence"] == "Apache-2.0" and told["Made by"] == "first 5 stages kept."
    html = next(path for path in written if path.suffix == ".html").read_text()
    (link,) = re.findall(r'<a href="([^"#]+)">', html)
    assert (tmp_path / "elsewhere" / link).resolve() == model
    assert link in (tmp_path / "elsewhere" / "report.md").read_text()
    # A file that is gone is not linked to.
    model.unlink()
    write_report(tmp_path / "elsewhere", [run])
    assert "not in this run&#39;s folder" in (tmp_path / "elsewhere" / "report.html").read_text()


def test_without_goals_the_fastest_that_may_be_used_for_angles_is_recommended() -> None:
    text = all_text(section_of(facts_of(angle_records()), "Recommended model"))  # type: ignore[arg-type]
    assert "Recommended model: stages-5. The recipe has no goals, so this is the fastest candidate that meets" in text
    bare = all_text(section_of(facts_of(stage_records()), "Recommended model"))  # type: ignore[arg-type]
    assert "There is no recommended model: the recipe has no goals, and no candidate meets kinematic_tier" in bare
    assert "Best network time relative to the teacher" in bare and "'stages-1'" in bare


def test_labels_cover_neither_each_other_nor_a_point() -> None:
    dots = [(100.0 + 12 * index, 300.0 - 9 * index, 9.0) for index in range(6)]
    boxes = place_labels(dots, [(70.0, 14.0)] * 6, Box(0, 0, 600, 600))
    placed = [box for box in boxes if box is not None]
    assert len(placed) == 6
    for index, box in enumerate(placed):
        assert not any(box.overlaps(other) for other in placed[index + 1 :])
        assert not any(box.overlaps(around(dot)) for dot in dots)
    assert place_labels(dots[:1], [(70.0, 14.0)], Box(90, 290, 120, 310)) == [None]


def test_numbers_in_words() -> None:
    assert [significant(value) for value in (1534.2, 85.31, 0.7812, 0)] == ["1534", "85.3", "0.781", "0"]
    assert [scaled(1_930_872), scaled(7_800_000, "B"), scaled(12), scaled(None)] == [
        "1.93 M", "7.80 MB", "12", "not measured",
    ]  # fmt: skip
