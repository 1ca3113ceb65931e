"""One frame with everybody's people: found once, kept in the run's folder, drawn in pairs, and only where it may be."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from compress_made_up import record, run_of, stage_records
from compress_recipe_text import GOOD, load
from compress_tiny_run import TinyRun, rows
from conftest import tiny_spec

from compress.cli.main import run_command
from compress.common.document import Paragraph
from compress.common.run_folder import PEOPLE, RECIPE
from compress.measure.frames import Data
from compress.measure.pose_inference import to_fact
from compress.report.collect import report_facts
from compress.report.document import ImageRow
from compress.report.facts import RunFacts
from compress.report.sections.example_frame import example_frame as example_frame_blocks
from compress.report.sections.example_frame import people_view
from compress.report.write import write_report
from compress.run import example_frame
from compress.run.example_frame import (
    NOT_COCO,
    SWITCHED_OFF,
    ShownNetwork,
    ShownPeople,
    keep_people,
    kept_people,
    why_not_shown,
)
from eval.frames import draw_sample, open_source
from eval.people import Person
from teachers.skeleton import COCO_18


def person(x: float, y: float, size: float = 60.0) -> Person:
    """All keypoints on a circle, each in another place."""
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    points = np.stack([x + size * np.cos(angles), y + size * np.sin(angles), np.full(18, 0.9)], axis=1)
    return Person(points.astype(np.float32), 0.9)


def shown(**people: list[Person]) -> ShownPeople:
    image = np.full((360, 640, 3), 90, np.uint8)
    return ShownPeople("frame_7", image, {f"id of {name}": found for name, found in people.items()}, COCO_18)


def named(*names: str) -> list:  # type: ignore[type-arg]
    return [record(name, role="teacher" if name == "teacher" else "candidate", id=f"id of {name}") for name in names]


def test_pairs_tell_who_was_found_again() -> None:
    both, one = [person(150, 150), person(450, 150)], [person(152, 151)]
    extra = [*both, person(320, 280, 30)]
    teacher, *others = named("teacher", "same", "lost", "more", "unknown")
    view = people_view(shown(teacher=both, same=both, lost=one, more=extra), teacher, others)
    assert view is not None and view.unknown == ("unknown",) and view.frame == "frame_7"
    assert [(p.name, p.found, p.of, p.matched) for p in view.pairs] == [
        ("same", 2, 2, 2),
        ("lost", 1, 2, 1),
        ("more", 3, 2, 2),
    ]
    assert view.pairs[0].oks == pytest.approx(1.0) and 0.9 < (view.pairs[1].oks or 0) < 1.0
    assert set(view.pictures) == {"teacher", "same", "lost", "more"}
    sizes = {cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape for data in view.pictures.values()}
    assert len(sizes) == 1, "the same part of the frame for everybody"
    assert view.pictures["teacher"] == view.pictures["same"] != view.pictures["lost"]


def test_skeletons_are_drawn_where_the_people_are() -> None:
    teacher, other = named("teacher", "other")
    view = people_view(shown(teacher=[person(320, 180)], other=[]), teacher, [other])
    assert view is not None
    drawn, empty = (
        cv2.imdecode(np.frombuffer(view.pictures[name], np.uint8), cv2.IMREAD_COLOR).astype(int)
        for name in ("teacher", "other")
    )
    apart = np.argwhere(np.abs(drawn - empty).max(axis=2) > 40)
    middle = apart.mean(axis=0) / drawn.shape[:2]
    assert middle == pytest.approx((0.5, 0.5), abs=0.08)
    assert abs(empty - 90).max() < 12, "nobody is drawn where nobody was found"


def test_without_a_frame_there_is_nothing_to_show() -> None:
    teacher, other = named("teacher", "other")
    assert people_view(None, teacher, [other]) is None
    assert people_view(shown(other=[]), teacher, [other]) is None
    (run,) = report_facts([run_of(stage_records())]).runs
    assert example_frame_blocks(run) == []
    forbidden = RunFacts("r", tuple(stage_records()), "", ("params",), why_no_people=NOT_COCO)
    (block,) = example_frame_blocks(report_facts([forbidden]).runs[0])
    assert isinstance(block, Paragraph) and "COCO file" in block.text


@pytest.mark.parametrize(
    ("source", "shows", "reason"),
    [
        ("photos", None, None),
        ("walk.mp4", None, None),
        ("walk.mp4", False, SWITCHED_OFF),
        ("person_keypoints_val2017.json", None, NOT_COCO),
        ("person_keypoints_val2017.JSON", None, NOT_COCO),
        ("person_keypoints_val2017.json", True, None),
    ],
)
def test_whose_frames_may_be_shown(source: str, shows: bool | None, reason: str | None) -> None:
    assert why_not_shown(Data(source=source, show_frames=shows)) == reason


def test_a_recipe_that_says_nothing_of_it_has_the_text_that_it_had_before() -> None:
    assert "show_frames" not in load(GOOD).to_yaml()
    assert "show_frames: false" in load(GOOD, "data.show_frames=false").to_yaml()


def test_a_run_keeps_one_frame_and_everybodys_people(tiny_run: TinyRun) -> None:
    kept = json.loads((tiny_run.out / PEOPLE / "people.json").read_text())
    found = kept_people(tiny_run.out)
    assert found is not None and found.image.shape == (120, 160, 3) and found.skeleton == COCO_18
    # The candidate with all stages is the teacher's network, so it has the teacher's people.
    assert len(kept["people"]) == len(rows(tiny_run.out)) - 1 == 3
    assert (tiny_run.photos / kept["frame"]).with_suffix(".png").is_file() or (
        tiny_run.photos / kept["frame"]
    ).is_file()


def test_what_is_kept_is_not_found_again(tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = draw_sample(open_source(str(tiny_run.photos)), images=3, seed=0)
    data = Data(source=str(tiny_run.photos))
    spec, model = tiny_spec(), tiny_run.out / "candidates" / "teacher" / "model.onnx"
    asked: list[str] = []

    class Counting:
        """Finds more people in one photograph than in the others, and counts who asks."""

        def __init__(self, network: ShownNetwork, threads: int) -> None:
            self.name = network.name

        def __call__(self, image: np.ndarray) -> object:  # type: ignore[type-arg]
            asked.append(self.name)
            people = [person(60, 60)] * int(image.mean() == brightest)
            return type("Found", (), {"people": people})

    brightest = max(frame.image.mean() for frame in sample.frames())
    monkeypatch.setattr(example_frame, "_estimator", Counting)
    teacher, other = ShownNetwork("teacher", "a", model, spec), ShownNetwork("other", "b", model, spec)
    keep_people(tmp_path, data, sample, [teacher, other, ShownNetwork("twin", "b", model, spec)], 1)
    assert asked == ["teacher"] * 3 + ["teacher", "twin"], "once for both networks of one content"
    kept = json.loads((tmp_path / PEOPLE / "people.json").read_text())
    assert kept["frame"] == max(sample.frames(), key=lambda frame: frame.image.mean()).name
    asked.clear()
    keep_people(tmp_path, data, sample, [teacher, other], 1)
    assert asked == []
    keep_people(tmp_path, data, sample, [teacher, ShownNetwork("late", "c", model, spec)], 1)
    assert asked == ["late"]
    asked.clear()
    again = draw_sample(open_source(str(tiny_run.photos)), images=2, seed=5)
    keep_people(tmp_path, data, again, [teacher], 1)
    assert len(asked) == 3, "another sample is another frame"
    shutil.rmtree(tmp_path / PEOPLE)
    keep_people(tmp_path, Data(source="x", show_frames=False), sample, [teacher], 1)
    assert kept_people(tmp_path) is None and not (tmp_path / PEOPLE).exists()


def test_the_report_shows_them_and_a_recipe_that_forbids_it_is_obeyed(tiny_run: TinyRun, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_run.out, tmp_path / "run")
    kept = json.loads((out / PEOPLE / "people.json").read_text())
    kept["people"] = {identity: to_fact([person(80, 60, 20)]) for identity in kept["people"]}
    (out / PEOPLE / "people.json").write_text(json.dumps(kept))
    assert run_command(["report", str(out)]) == 0
    html = (out / "report.html").read_text()
    assert html.count("data:image/jpeg;base64,") >= 2 and "1 of the teacher&#39;s 1 person found, OKS 1.00" in html
    text = (out / "report.md").read_text()
    assert "](figures/people-teacher.jpg)" in text and (out / "figures" / "people-teacher.jpg").is_file()
    recipe = (out / RECIPE).read_text()
    (out / RECIPE).write_text(recipe.replace("data: {", "data: {show_frames: false, "))
    assert run_command(["report", str(out)]) == 0
    assert "data:image/jpeg" not in (out / "report.html").read_text()
    assert not list((out / "figures").glob("*.jpg"))
    assert "No frame is shown: the recipe says so" in (out / "report.md").read_text()


def test_two_runs_in_one_report_keep_their_frames_apart(tmp_path: Path) -> None:
    records = [record("teacher", role="teacher", id="id of teacher"), *named("a")]
    records = [one.model_copy(update={"measurement": stage_records()[i].measurement}) for i, one in enumerate(records)]
    frames = shown(teacher=[person(300, 180)], a=[person(302, 180)])
    runs = [RunFacts(label, tuple(records), "", ("params",), people=frames) for label in ("one", "two")]
    written = {path.name for path in write_report(tmp_path, runs)}
    assert {"people-a.jpg", "people-2-a.jpg"} <= written
    assert any(isinstance(block, ImageRow) for block in example_frame_blocks(report_facts(runs).runs[1], "people-2-"))
