"""Notes of steps: typed in the program, readable in records, and those of other packages as they were made."""

import json
import math
from pathlib import Path

import pytest
from compress_made_up import LICENCE, measured, record
from pydantic import TypeAdapter, ValidationError
from training_targets import tiny_teacher

from compress.core.candidate import Candidate
from compress.core.notes import (
    BranchesL2,
    CollapseFacts,
    ForeignNote,
    HeadsNote,
    HeldOutLook,
    LossPoint,
    Note,
    PredictedTime,
    PruningNote,
    QuantizationNote,
    TrainingNote,
)
from compress.results.pareto import front
from compress.results.records import append_record, read_records

LOOK = HeldOutLook(step=0, joint_rel_l2=0.3, paf_rel_l2=0.4, score=0.35)
COLLAPSE = CollapseFacts(frames=4, joint_rel_l2=0.1, paf_rel_l2=0.2, keypoints=9, lost=1, peak_shift_px=None)
NOTES: tuple[Note, ...] = (
    TrainingNote(
        place="1", losses=(LossPoint(step=1, loss=2.0),), validations=(LOOK,), before=LOOK, best=LOOK, best_step=0,
        steps=1, seconds=0.5, images_per_s=None, device="cpu", precision="no", processes=1,
    ),
    HeadsNote(place="2", frames=3, held_out=2 * (BranchesL2(joint_rel_l2=0.1, paf_rel_l2=0.2),)),
    PruningNote(
        place="3", parent="a", allocation="latency", importance="taylor", reconstruct=True, iterative_steps=1,
        channels=(4, 2), macs=(20, 10), input_hw=(368, 656),
        predicted=PredictedTime(runtime="onnxruntime", threads=1, ms=1.0, parent_ms=2.0),
    ),
    QuantizationNote(
        floats=("backbone.layers.0",), int8=3, sensitivity=(), limit_kept=None,
        collapse=COLLAPSE.model_copy(update={"saturated": COLLAPSE}), collapsed=(),
    ),
    ForeignNote.model_validate({"kind": "rounding", "digits": 3}),
)  # fmt: skip


def test_records_give_back_every_note_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    append_record(path, record("noted", notes=NOTES))
    (found,) = read_records(path)
    assert found.notes == NOTES
    assert [type(one) for one in found.notes] == [type(one) for one in NOTES]
    kinds = [one["kind"] for one in json.loads(path.read_text())["notes"]]
    assert kinds == ["training", "heads", "pruning", "quantization", "rounding"]


def test_a_difference_that_is_not_a_number_is_kept(tmp_path: Path) -> None:
    """The maps of a network in int8 can be infinite; its record must not be lost over that."""
    path, broken = tmp_path / "records.jsonl", COLLAPSE.model_copy(update={"joint_rel_l2": math.nan})
    append_record(path, record("broken", notes=(NOTES[3].model_copy(update={"collapse": broken}),)))
    (found,) = read_records(path)
    (note,) = found.notes
    assert isinstance(note, QuantizationNote) and math.isnan(note.collapse.joint_rel_l2)


def test_a_note_of_ours_takes_no_unknown_field() -> None:
    told = NOTES[1].model_dump(mode="json")
    with pytest.raises(ValidationError, match="frame_count"):
        TypeAdapter(Note).validate_python(told | {"frame_count": 3})
    with pytest.raises(ValidationError, match="frames"):
        TypeAdapter(Note).validate_python({name: value for name, value in told.items() if name != "frames"})


def test_a_rejection_and_the_notes_stay_with_what_is_made_of_a_candidate() -> None:
    teacher = Candidate.of(tiny_teacher(), LICENCE)
    assert teacher.rejected_reason is None
    rejected = teacher.followed_by({"step": "one"}, teacher.network, NOTES[1], rejected_reason="too loud")
    after = rejected.followed_by({"step": "two"}, teacher.network, NOTES[2])
    assert after.rejected_reason == "too loud" and after.notes == NOTES[1:3]
    assert after.id == teacher.id, "neither is part of the content"


def test_only_a_finished_record_that_is_not_rejected_is_usable() -> None:
    good, rejected = record("good", measured(4)), record("bad", measured(3), rejected_reason="x")
    failed = record("none", error="y")
    assert [one.usable for one in (good, rejected, failed)] == [True, False, False]
    assert front([good.model_copy(update={"measurement": measured(3)}), rejected, failed], ("latency_ratio",)) == (
        "good",
    )
