"""candidates.csv and latency.csv: columns, order, empty cells with their reasons, text that survives a round trip."""

import csv
from pathlib import Path

import pytest
from compress_made_up import OBJECTIVES, SIZES, failed, measured, record, stage_records
from hypothesis import given
from hypothesis import strategies as st

from compress.measure.latency_facts import Latencies
from compress.measure.memory import Memory
from compress.results.columns import CANDIDATE_COLUMNS, neighbours, number, reasons
from compress.results.records import Record
from compress.results.tables import cell, write_tables

CANDIDATES_HEAD = (
    "name,steps,stages,backbone,params,macs,size_bytes,heat_l2,paf_l2,heat_rel_l2,joint_rel_l2,paf_rel_l2,latency_ms,"
    "latency_ratio,latency_ratio_ci_low,latency_ratio_ci_high,peak_memory_bytes,on_front,note"
)
ANGLES = neighbours("oks")
COSTS = "activation_peak_bytes, energy_mj, energy_estimate_mj, packed_bytes"
KINEMATICS_MISSING = f"{', '.join(ANGLES)}: the source is no video; ap: no labels; {COSTS}: not asked for"
LATENCY_HEAD = (
    "name,part,scale,input_h,input_w,per_frame,runtime,threads,median_ms,p90_ms,ratio,ratio_ci_low,ratio_ci_high"
)


def tables(folder: Path, records: list[Record]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    paths = write_tables(folder, records, OBJECTIVES)
    assert [path.name for path in paths] == ["candidates.csv", "latency.csv"]
    candidates, latency = (list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in paths)
    return candidates, latency


def test_the_columns_are_the_documented_ones(tmp_path: Path) -> None:
    write_tables(tmp_path, stage_records(), OBJECTIVES)
    head = (tmp_path / "candidates.csv").read_text().splitlines()[0]
    assert head == CANDIDATES_HEAD or head.startswith(CANDIDATES_HEAD + ",")
    assert (tmp_path / "latency.csv").read_text().splitlines()[0] == LATENCY_HEAD


def test_the_teacher_leads_and_values_are_the_records(tmp_path: Path) -> None:
    records = stage_records()
    rows, _ = tables(tmp_path, [*records[1:], records[0]])
    assert [row["name"] for row in rows] == ["teacher", "stages-5", "stages-4", "stages-3", "stages-2", "stages-1"]
    third = rows[3]
    assert third["steps"] == "remove_stages(stages=3)"
    assert (third["stages"], third["macs"], third["latency_ratio"]) == ("3", "5674000000", "0.68")
    assert third["joint_rel_l2"] == "0.123"
    assert (third["on_front"], third["note"]) == ("true", KINEMATICS_MISSING)
    assert rows[0]["steps"] == ""


def test_an_empty_cell_has_its_reason_in_the_note(tmp_path: Path) -> None:
    untimed = measured(3).without(Latencies, Memory)
    why = {"latency_ms": "not asked for", "peak_memory_bytes": "needs Linux"}
    rows, _ = tables(tmp_path, [record("untimed", untimed, missing=why, stages=3)])
    row = rows[0]
    assert [row[name] for name in ("latency_ms", "latency_ratio", "latency_ratio_ci_low", "peak_memory_bytes")] == [
        ""
    ] * 4
    expected = "latency_ms, latency_ratio, latency_ratio_ci_low, latency_ratio_ci_high, decoding_ms: not asked for"
    assert expected in row["note"]
    assert "peak_memory_bytes: needs Linux" in row["note"]
    assert row["on_front"] == "false"


def test_an_unexplained_hole_is_not_passed_over_in_silence() -> None:
    told = reasons(record("bare", missing={}))
    assert list(told) == ["not measured, and the record does not say why"]
    assert "params" in told["not measured, and the record does not say why"]


def test_an_error_row_carries_its_error_on_one_line(tmp_path: Path) -> None:
    rows, latency = tables(tmp_path, [*stage_records(), failed(error='ValueError: two,\n lines; "quoted"')])
    assert rows[-1]["note"] == 'failed: ValueError: two, lines; "quoted"'
    assert rows[-1]["params"] == ""
    assert "stages-0" not in {row["name"] for row in latency}


def test_every_record_has_its_scales_and_their_sum(tmp_path: Path) -> None:
    _, rows = tables(tmp_path, stage_records())
    assert len(rows) == 6 * (len(SIZES) + 1)
    teacher = [row for row in rows if row["name"] == "teacher"]
    assert [(row["part"], row["scale"]) for row in teacher] == [
        ("scale", "0.5"), ("scale", "1.0"), ("scale", "1.5"), ("scale", "2.0"), ("sum", ""),
    ]  # fmt: skip
    assert (teacher[1]["input_h"], teacher[1]["input_w"]) == ("368", "656")
    assert (teacher[4]["median_ms"], teacher[4]["p90_ms"], teacher[4]["input_h"]) == ("1500.0", "", "")


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_tables(tmp_path / "a", stage_records(), OBJECTIVES)]
    again = [path.read_bytes() for path in write_tables(tmp_path / "b", stage_records(), OBJECTIVES)]
    assert first == again


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_close_and_stable_as_text(value: float) -> None:
    text = cell(value)
    assert cell(float(text)) == text
    assert float(text) == pytest.approx(value, rel=1e-5, abs=0)


def test_words_are_no_objective() -> None:
    with pytest.raises(TypeError, match="backbone"):
        number(record("some"), "backbone")
    with pytest.raises(KeyError):
        number(record("some"), "note")
    assert CANDIDATE_COLUMNS.index("note") == 18
