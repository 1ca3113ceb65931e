"""Energy, packed sizes and pruned channels: from records to the report, and from a run to its records."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from compress_made_up import latency, measured, record, run_of, stage_records, teacher, times
from compress_tiny_run import keep_export, records, rows, set_to

from compress.cli.main import run_command
from compress.core.notes import Note, PruningNote
from compress.measure import energy
from compress.measure.energy import Activations, Energy
from compress.measure.packed_size import Packed, PackedStage
from compress.packing.pack_file import pack
from compress.report.sections.pruning import pruned_steps
from compress.report.write import write_report
from compress.results.records import Record
from eval.energy_counters import Counter
from teachers.checkpoint import load_model

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun


def note(**others: Any) -> PruningNote:
    found = {
        "kind": "pruning", "place": "1", "parent": "id of stages-3", "allocation": "latency", "importance": "taylor",
        "reconstruct": False, "iterative_steps": 2, "channels": [400, 300], "macs": [2000, 1000],
        "input_hw": [368, 656],
        "predicted": {"runtime": "onnxruntime", "threads": 1, "ms": 50.0, "parent_ms": 100.0},
    }  # fmt: skip
    return PruningNote.model_validate(found | others)


def narrowed(*notes: Note) -> Record:
    """Takes 0.4 of the teacher's time, its parent 0.68."""
    facts = measured(3).replaced(times(latency(600.0, 0.4)))
    return record("narrow", facts, notes=notes)


def packed(*sizes: int) -> Packed:
    names = ("fp32 weights", "zeros left out", "shared values", "Huffman coded", "the file")
    return Packed(stages=tuple(PackedStage(stage=n, bytes=b) for n, b in zip(names, sizes, strict=True)))


def parent() -> Record:
    return next(one for one in stage_records() if one.name == "stages-3").model_copy(update={"id": "id of stages-3"})


def test_the_prediction_stands_beside_what_was_measured() -> None:
    (found,) = pruned_steps([teacher(), parent(), narrowed(note())])
    assert (found.name, found.how, found.parent) == ("narrow", "latency, taylor, 2 steps", "stages-3")
    assert found.predicted == 0.5 and found.measured == pytest.approx(0.4 / 0.68)
    (alone,) = pruned_steps([teacher(), narrowed(note(predicted=None, iterative_steps=1))])
    assert (alone.predicted, alone.measured, alone.parent, alone.how) == (None, None, None, "latency, taylor")


@pytest.mark.usefixtures("without_pictures")
def test_the_report_has_a_table_of_each(tmp_path: Path) -> None:
    facts = measured(3).replaced(
        packed(2_000_000, 900_000, 300_000, 190_000, 200_000),
        Energy(
            activations=Activations(input_h=368, input_w=656, peak_bytes=41_000_000),
                arithmetic_mj=3.25, memory_mj=4.5, source="A source of 2014", measured_mj=12.5, counter="RAPL",
                why_not_measured="",
        ),
    )  # fmt: skip
    whole = measured(6).replaced(packed(4_000_000, 4_000_000, 4_000_000, 4_000_000, 4_001_000))
    small = record("small", facts, notes=(note(),))
    write_report(tmp_path, [run_of([record("teacher", whole, role="teacher", stages=6), parent(), small])])
    text = (tmp_path / "report.md").read_text()
    energy_row = next(line for line in text.splitlines() if "small" in line and "12.5" in line)
    assert "7.75" in energy_row and "3.25" in energy_row and "41.0 MB at 368x656" in energy_row
    assert "use it to compare candidates only" in text and "A source of 2014" in text and "Measured by RAPL" in text
    packed_row = next(line for line in text.splitlines() if "small" in line and "300.0" in line)
    assert "2000.0" in packed_row and "200.0" in packed_row and "20.0x" in packed_row
    assert "Packing shrinks the download only" in " ".join(text.split())
    assert any("small" in line and "2.00x" in line and "400 to 300" in line for line in text.splitlines())


@pytest.mark.usefixtures("without_pictures")
def test_without_any_there_is_no_such_section(tmp_path: Path) -> None:
    write_report(tmp_path, [run_of(stage_records())])
    text = (tmp_path / "report.md").read_text()
    assert not [word for word in ("## Energy", "## Packed size", "## Pruned channels") if word in text]


def test_a_run_measures_energy_where_there_is_a_counter_and_packs(
    tiny_run: "TinyRun", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_export(monkeypatch, tiny_run)
    monkeypatch.setattr(energy, "find_counter", lambda: (Counter("made up", lambda: 0.0), ""))
    per_run = iter([0.002, 0.003, 0.004, 0.004, 0.001, None])
    monkeypatch.setattr(energy, "joules_per_run", lambda *_: next(per_run))
    quick = set_to("measure.latency=false", "measure.memory=false", "measure.packed=true")
    plans = [
        f"{{name: {name}, steps: [{{step: remove_stages, stages: {keep}}}]}}" for name, keep in (("one", 1), ("two", 2))
    ]
    aims = set_to("objectives=[packed_bytes, joint_rel_l2]", f"candidates=[{', '.join(plans)}]")
    words = ["run", str(tiny_run.recipe), "--out", str(tmp_path / "out"), *quick, *aims]
    assert run_command(words) == 0
    found = {row["name"]: row for row in rows(tmp_path / "out")}
    assert float(found["teacher"]["energy_mj"]) == pytest.approx(5.0), "summed over two scales"
    assert float(found["one"]["energy_mj"]) == pytest.approx(8.0)
    assert not found["two"]["energy_mj"] and "energy_mj: the counter moves in steps too coarse" in found["two"]["note"]
    assert all(float(row["energy_estimate_mj"]) > 0 for row in found.values())
    network, licence = load_model(tmp_path / "out/candidates/one")
    assert int(found["one"]["packed_bytes"]) == len(pack(network, licence).data)
    assert found["one"]["on_front"] == "true"
    (kept,) = (one["measurement"]["energy"] for one in records(tmp_path / "out") if one["name"] == "one")
    assert kept["counter"] == "made up" and kept["source"].startswith("Horowitz 2014")
    assert run_command(words) == 0, "nothing is measured again: the iterator is spent"


def test_a_goal_on_what_is_not_packed_is_refused(tiny_run: "TinyRun", capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", str(tiny_run.recipe), *set_to("goals=[packed_bytes <= 390000]")]
    assert run_command(words) == 2
    assert "packed_bytes is not measured, because measure.packed is" in capsys.readouterr().err
