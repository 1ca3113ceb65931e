"""AP as a measurement of a run: the column, its reasons, and that people found are what is judged."""

import json
from pathlib import Path

import numpy as np
import pytest
from compress_made_up import record
from compress_tiny_run import TinyRun, journal, keep_export, rows, set_to

from compress.cli.main import run_command
from compress.common.document import Table
from compress.measure.coco_ap import ApMetric, LabelledAp
from compress.measure.pose_inference import from_fact, to_fact
from compress.report.collect import report_facts
from compress.report.facts import RunFacts
from compress.report.sections.metrics import metric_section
from compress.results.columns import number
from compress.results.records import Measurement
from eval.coco_labels import COCO_17
from eval.people import Person
from eval.rendering import made_up_person
from teachers import openpose_vgg
from teachers.skeleton import MPI_15

pytestmark = pytest.mark.usefixtures("without_pictures")

QUICK = ("measure.fidelity=false", "measure.latency=false", "measure.memory=false", "objectives=[params, ap]")


def labels(run: TinyRun, folder: Path) -> Path:
    """A COCO keypoint file of the tiny run's photos, one labelled person in each."""
    box = {"bbox": [20, 10, 60, 100], "area": 3000.0, "keypoints": [30, 20, 2] * 17, "iscrowd": 0, "category_id": 1}
    files = sorted(run.photos.iterdir())
    content = {
        "images": [{"id": number, "file_name": file.name} for number, file in enumerate(files, 1)],
        "annotations": [{"id": n, "image_id": n, **box} for n in range(1, len(files) + 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17)}],
    }
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def test_every_candidate_is_judged_on_the_same_images(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_export(monkeypatch, tiny_run)
    path = labels(tiny_run, tmp_path)
    words = ["run", str(tiny_run.recipe), "--out", str(tmp_path / "out")]
    words += set_to(f"measure.ap={{labels: {path}, images: 2, scales: [0.5, 1]}}", *QUICK)
    assert run_command(words) == 0
    found = rows(tmp_path / "out")
    assert len(found) == 4
    assert all(row["ap"] == "0.0" for row in found), "the tiny network knows nobody, and somebody is labelled"
    looked = [entry["fact"]["image"] for entry in journal(tmp_path / "out") if "image" in entry["fact"]]
    assert len(set(looked)) == 2 and len(looked) == 2 * 3, "two images; two of four rows are the same network"
    assert "## Average precision" in (tmp_path / "out" / "report.md").read_text()
    before = (tmp_path / "out" / "journal.jsonl").read_bytes()
    assert run_command(words) == 0
    assert (tmp_path / "out" / "journal.jsonl").read_bytes() == before


def test_what_is_no_keypoint_file_is_refused_before_anything_is_written(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), *set_to("measure.ap={}", *QUICK)]) == 2
    assert "AP needs a COCO keypoint file" in capsys.readouterr().err
    missing = set_to(f"measure.ap.labels={tmp_path / 'none.json'}", *QUICK)
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), *missing]) == 2
    assert "measure.ap.labels: no file" in capsys.readouterr().err
    assert not out.exists()


def test_ap_of_a_network_without_cocos_keypoints_is_a_mistake_of_the_recipe(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, mpi = tmp_path / "out", tmp_path / "mpi"
    mpi.mkdir()
    (mpi / "spec.json").write_text(openpose_vgg.spec(MPI_15, 3).to_json())
    (mpi / "weights.safetensors").touch()  # the recipe is checked before any weights are read
    asked = (f"teacher={mpi}", f"measure.ap={{labels: {labels(tiny_run, tmp_path)}}}", *QUICK)
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), *set_to(*asked)]) == 2
    said = capsys.readouterr().err
    assert "measure.ap: COCO's AP needs its 17 keypoints, and the teacher's mpi-15 has no nose, left_eye," in said
    assert not out.exists()


def test_the_journal_gives_back_the_people_that_were_found() -> None:
    places = made_up_person((100, 100), 150, [0.0] * 8)
    keypoints = np.column_stack([places, np.full(len(places), 0.5)]).astype(np.float32)
    person = Person(keypoints, 0.7)
    keypoints[4] = (float("nan"), float("nan"), 0.0)
    (back,) = from_fact(json.loads(json.dumps(to_fact([person]))))
    assert back.score == person.score
    assert back.keypoints.tobytes() == person.keypoints.tobytes()


def test_the_report_shows_the_numbers_and_why_one_is_missing() -> None:
    nobody = "no person with labelled keypoints in these images"
    numbers = {"ap": 0.25, "ap50": 0.5, "ap75": 0.2, "ap_m": None, "ap_l": 0.3, "ar": 0.4, "note": nobody}
    counts = {"images": 3, "labelled_people": 4, "detections": 5}
    measurement = Measurement.of(LabelledAp(labels="val.json", run_as="scale 1", **counts, **numbers))
    one = record("one", measurement)
    assert number(one, "ap") == 0.25
    (run,) = report_facts([RunFacts("r", (one, record("two")), "", ("params",))]).runs
    title, blocks = metric_section(ApMetric, run)
    assert title == "Average precision"
    (table,) = [block for block in blocks if isinstance(block, Table)]
    assert table.rows[0].cells[1:5] == ("0.250", "0.500", "0.200", "not measured")
    assert table.rows[1].cells[1] == "not measured"
    assert nobody in str(blocks[-1])
