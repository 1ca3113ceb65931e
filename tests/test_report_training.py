"""How candidates learned, as the report shows it: from a record's notes to facts, words and a picture."""

from pathlib import Path

import pytest
from compress_made_up import record, run_of, stage_records

from compress.core.notes import ForeignNote, Note, TrainingNote
from compress.report.figures.curves import training_png
from compress.report.sections.training import training
from compress.report.write import write_report
from compress.results.records import Record
from compress.results.training_curves import learnings

PNG = b"\x89PNG"


def note(best_step: int = 400, **others: object) -> TrainingNote:
    looks = [
        {"step": step, "joint_rel_l2": score + 0.01, "paf_rel_l2": score - 0.01, "score": score}
        for step, score in ((0, 0.4), (200, 0.3), (400, 0.2 if best_step == 400 else 0.35))
    ]
    best = min(looks, key=lambda look: look["score"])
    found = {
        "kind": "training", "losses": [{"step": 200, "loss": 0.5, "learning_rate": 1e-3}, {"step": 400, "loss": 0.4}],
        "validations": looks, "before": looks[0], "best": best, "best_step": best["step"], "steps": 400,
        "seconds": 90.0, "images_per_s": 35.5, "device": "cpu", "precision": "no", "processes": 1,
    }  # fmt: skip
    return TrainingNote.model_validate(found | others)


def learned(name: str = "distilled-2", *notes: Note) -> Record:
    return record(name).model_copy(update={"notes": notes or (note(),)})


def test_facts_are_those_of_the_notes() -> None:
    (found,) = learnings([learned(), record("untrained")])
    assert (found.name, found.note.best_step, found.note.steps, found.note.images_per_s) == (
        "distilled-2",
        400,
        400,
        35.5,
    )
    assert [(point.step, point.value) for point in found.held_out] == [(0, 0.4), (200, 0.3), (400, 0.2)]
    assert found.where == "cpu, fp32"
    assert found.still_falling


def test_a_training_that_was_best_before_its_end_is_not_still_falling() -> None:
    (found,) = learnings([learned("d", note(best_step=200))])
    assert found.note.best_step == 200
    assert not found.still_falling


def test_two_trainings_of_one_candidate_are_told_apart() -> None:
    other = ForeignNote(kind="other")
    assert [one.name for one in learnings([learned("d", note(), other, note())])] == ["d (1)", "d (2)"]


def test_without_training_there_is_no_section() -> None:
    assert training(learnings(stage_records()), "training") == []


def test_the_picture_is_the_same_for_the_same_facts() -> None:
    found = learnings([learned(), learned("distilled-1")])
    wide, narrow = training_png(found, False), training_png(found, True)
    assert wide.startswith(PNG)
    assert wide == training_png(found, False) != narrow


@pytest.mark.usefixtures("without_pictures")
def test_the_report_tells_it(tmp_path: Path) -> None:
    written = write_report(tmp_path, [run_of([*stage_records(), learned()])])
    assert tmp_path / "figures" / "training.png" in written
    text = (tmp_path / "report.md").read_text()
    assert "## Training" in text
    assert "| distilled-2 | 0.410 | 0.210 | 0.390 | **0.190** | 400 of 400 | 1.50 | 35.5 | cpu, fp32 |" in text
    assert "still falling at the last validation: distilled-2." in text
    assert "figures/training.png" in text


@pytest.mark.usefixtures("without_pictures")
def test_a_continued_training_without_a_step_of_its_own_has_no_speed(tmp_path: Path) -> None:
    write_report(tmp_path, [run_of([*stage_records(), learned("d", note(images_per_s=None))])])
    assert "| not measured | cpu, fp32 |" in (tmp_path / "report.md").read_text()
