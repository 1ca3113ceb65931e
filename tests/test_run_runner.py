"""`compress run` from the front door: what it leaves, and that every number is what an independent look finds."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compress_tiny_run import (
    FIDELITY,
    NAMES,
    QUICK,
    TinyRun,
    fact_counts,
    fidelity,
    journal,
    keep_export,
    records,
    rows,
    set_to,
    tree,
)
from kinematic_videos import even_times, grey_video, walker

from compress.cli.main import run_command
from compress.core.built import Built
from compress.core.candidate import Candidate
from compress.measure import fidelity as fidelity_pass
from compress.measure import latency_rounds, memory
from compress.measure.pose_inference import Finder, Networks
from compress.results.columns import FIRST, LATER, neighbours
from compress.run import teacher_stages
from compress.steps.context import StepContext
from compress.steps.remove_stages import RemoveStages
from eval.frame_people import FramePeople, Parts
from eval.frames import draw_sample, open_source
from eval.maps import average_scales, prepare
from eval.memory import MemoryPeak, ProbeError, peak_memory
from eval.people import Person
from eval.perturbations import PERTURBATIONS, PLAIN, Perturbation
from eval.runtimes import RUNTIMES
from eval.video_formats import TimedFrame
from teachers.checkpoint import load_model
from teachers.posenet import Maps, PoseNet

CANDIDATE_FILES = {"spec.json", "weights.safetensors", "model.onnx", "recipe.yaml", "LICENCE.txt"}
RUN_FILES = {"recipe.yaml", "environment.json", "records.jsonl", "journal.jsonl", "candidates.csv", "latency.csv"}
REPORT_FILES = {"report.html", "report.md", "figures/pareto.png"}


@pytest.fixture(autouse=True)
def _one_export(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_export(monkeypatch, tiny_run)


def test_a_run_leaves_what_is_documented(tiny_run: TinyRun) -> None:
    left = set(tree(tiny_run.out))
    candidates = {f"candidates/{name}/{file}" for name in NAMES for file in CANDIDATE_FILES}
    assert left >= candidates | RUN_FILES | REPORT_FILES
    rest = left - candidates - RUN_FILES - REPORT_FILES
    assert all(path.startswith(("figures/", "people/", ".work/", ".lock")) for path in rest), rest


def test_one_row_for_each_candidate_and_a_reason_for_every_hole(tiny_run: TinyRun) -> None:
    found = rows(tiny_run.out)
    assert [row["name"] for row in found] == NAMES
    holes = 0
    for row in found:
        assert all(row[column] for column in FIRST if (row["name"], column) != ("teacher", "steps")), row
        for column in LATER:
            assert bool(row[column]) != (f"{column}:" in row["note"] or f"{column}," in row["note"]), column
            holes += not row[column]
    counted = sum(bool(row["energy_mj"]) for row in found)  # where the machine has a counter
    assert holes == len(NAMES) * (len(LATER) - 2) - counted, "no video here, but an estimate and a peak"
    assert all(float(row["energy_estimate_mj"]) > 0 and int(row["activation_peak_bytes"]) > 1000 for row in found)
    rounds = rows(tiny_run.out, "latency.csv")
    assert [(row["name"], row["scale"] or row["part"]) for row in rounds] == [
        (n, s) for n in NAMES for s in ("0.25", "0.5", "sum")
    ]
    assert all(float(row["median_ms"]) > 0 for row in rounds)


def test_stage_rows_equal_a_network_pass_of_their_own(tiny_run: TinyRun) -> None:
    """The run takes every row from one pass of the exported teacher; here each candidate runs alone, in torch."""
    sample = draw_sample(open_source(str(tiny_run.photos)), 3, 0)
    assert [record["name"] for record in records(tiny_run.out)] == NAMES
    reference = [_maps(tiny_run.teacher, frame.image) for frame in sample.frames()]
    assert len(reference) == 3
    for record in records(tiny_run.out):
        folder = tiny_run.out / "candidates" / record["name"]
        pairs = zip([_maps(folder, frame.image) for frame in sample.frames()], reference, strict=True)
        expected = np.mean([_apart(ours, theirs) for ours, theirs in pairs], axis=0)
        written = record["measurement"]["fidelity"]
        assert written["images"] == 3
        np.testing.assert_allclose([written[name] for name in FIDELITY], expected, rtol=1e-5, atol=1e-5)
        assert (expected[0] > 1) == (record["name"] in ("stages-1", "stages-2"))


def _maps(folder: Path, image: Any) -> Maps:
    network, _ = load_model(folder)
    scales, stride = (0.25, 0.5), network.spec.stride
    with torch.inference_mode():
        found = [network(torch.from_numpy(prepare(image, scale, stride))) for scale in scales]
    return Maps(*(average_scales(one, image.shape[:2], scales, stride) for one in zip(*found, strict=True)))


def _apart(ours: Maps, theirs: Maps) -> tuple[float, ...]:
    """DESIGN's words in NumPy: norms over all elements; relative ones over the teacher's, joints without background."""
    pairs = [(a.numpy().astype(np.float64), b.numpy().astype(np.float64)) for a, b in zip(ours, theirs, strict=True)]
    (heat, heat_of), (_, paf_of) = pairs
    norm = [float(np.sqrt(((a - b) ** 2).sum())) for a, b in pairs]
    joint = np.sqrt(((heat - heat_of)[:, :18] ** 2).sum()) / np.sqrt((heat_of[:, :18] ** 2).sum())
    return (*norm, norm[0] / np.sqrt((heat_of**2).sum()), float(joint), norm[1] / np.sqrt((paf_of**2).sum()))


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_gives_the_maps_of_its_network(tiny_run: TinyRun, name: str) -> None:
    folder = tiny_run.out / "candidates" / name
    network, licence = load_model(folder)
    session = RUNTIMES["onnxruntime"].load(folder / "model.onnx", threads=1)
    random = np.random.default_rng(1)
    sizes = ((64, 72), (184, 248), (368, 488))
    for hw in sizes:
        image = random.uniform(0, 255, (1, 3, *hw)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image))
        for ours, theirs in zip(session.run(image), expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
    assert sizes and licence.name in (folder / "LICENCE.txt").read_text()
    assert int(next(row for row in rows(tiny_run.out) if row["name"] == name)["size_bytes"]) == (
        (folder / "model.onnx").stat().st_size
    )


def test_nothing_is_measured_twice_not_even_under_two_names(tiny_run: TinyRun) -> None:
    """stages-3 is the teacher again: its maps and its memory are the teacher's facts."""
    counts = fact_counts(tiny_run.out)
    frames = [entry["key"] for entry in journal(tiny_run.out) if "frame" in entry["fact"]]
    assert len(set(frames)) == 3 and all(frames.count(key) == 3 for key in frames)
    once = [entry["key"] for entry in journal(tiny_run.out) if {"peak_bytes", "artefact_sha256"} & set(entry["fact"])]
    assert len(once) == 3 + 4 and all(counts[key] == 1 for key in once)


def test_a_second_call_does_no_work_and_changes_nothing(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_work(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(latency_rounds, "run_rounds", no_work)
    monkeypatch.setattr(memory, "peak_memory", no_work)
    monkeypatch.setattr(fidelity_pass, "Scorer", no_work)
    monkeypatch.setattr(teacher_stages, "export_all_stages", no_work)
    out = shutil.copytree(tiny_run.out, tmp_path / "out")
    before = tree(out)
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out)]) == 0
    assert tree(out) == before
    assert "stages-1" in capsys.readouterr().out


def test_a_changed_recipe_has_a_folder_of_its_own_and_a_seed_its_frames(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = set_to(*QUICK)
    assert run_command(["run", str(tiny_run.recipe), *quick, "--set", "data.images=2"]) == 0
    assert run_command(["run", str(tiny_run.recipe), *quick, "--set", "data.images=1", "--set", "data.seed=1"]) == 0
    first, second = sorted(Path("runs").iterdir(), key=lambda path: "images-2" not in path.name)
    assert "data.images-2" in first.name and "data.images-1-data.seed-1" in second.name
    # The recipe that lies beside a candidate makes that candidate alone, from the same frames.
    alone = first / "candidates" / "stages-2" / "recipe.yaml"
    out = Path("Läufe & mehr", "100 %")
    assert run_command(["run", str(alone), "--out", str(out)]) == 0
    assert list(fidelity(out)) == ["teacher", "stages-2"]
    assert fidelity(out)["stages-2"] == fidelity(first)["stages-2"] != fidelity(second)["stages-2"]
    assert _frames(out) == _frames(first) != _frames(second)


def _frames(out: Path) -> set[str]:
    return {entry["fact"]["frame"] for entry in journal(out) if "frame" in entry["fact"]}


def test_a_candidate_that_fails_leaves_the_others_and_is_tried_again(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sound = tmp_path / "out", RemoveStages.apply

    def fails(step: RemoveStages, candidate: Candidate, context: StepContext) -> Candidate:
        if step.stages == 2:
            raise RuntimeError("no second stage\ntoday")
        return sound(step, candidate, context)

    monkeypatch.setattr(RemoveStages, "apply", fails)
    words = ["run", str(tiny_run.recipe), "--out", str(out), *set_to(*QUICK)]
    assert run_command(words) == 1
    assert "stages-2 failed: RuntimeError: no second stage" in capsys.readouterr().err
    found = {row["name"]: row for row in rows(out)}
    assert list(found) == NAMES and "failed: RuntimeError: no second stage today" in found["stages-2"]["note"]
    expected = fidelity(tiny_run.out)
    assert {name: fidelity(out)[name] for name in NAMES if name != "stages-2"} == {
        name: expected[name] for name in NAMES if name != "stages-2"
    }
    assert [r["error"] for r in records(out) if r["error"]] == ["RuntimeError: no second stage\ntoday"]
    assert (
        "no second stage" in (out / "report.md").read_text() and "no second stage" in (out / "report.html").read_text()
    )
    monkeypatch.setattr(RemoveStages, "apply", sound)
    assert run_command(words) == 0
    assert fidelity(out) == expected and [row["name"] for row in rows(out)] == NAMES
    assert set(fact_counts(out).values()) == {1, 3}


def test_a_memory_probe_that_fails_costs_its_own_cell_alone(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def probe(artefact: Path, *others: Any) -> MemoryPeak:
        if artefact.parent.name == "stages-1":
            raise ProbeError("model.onnx: the memory probe ended with -9")
        return peak_memory(artefact, *others)

    monkeypatch.setattr(memory, "peak_memory", probe)
    out = tmp_path / "out"
    words = ["run", str(tiny_run.recipe), "--out", str(out), *set_to(QUICK[0], *QUICK[2:])]
    assert run_command(words) == 0
    assert "stages-1" in capsys.readouterr().err
    *others, last = rows(out)
    assert all(int(row["peak_memory_bytes"]) > 1e6 for row in others) and len(others) == 3
    assert not last["peak_memory_bytes"] and "the memory probe ended with -9" in last["note"]
    assert fidelity(out) == fidelity(tiny_run.out)


def test_a_clip_without_people_gives_reasons_instead_of_degrees(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _rows_on_a_clip(tiny_run, tmp_path, monkeypatch, lambda *_: [])
    for row in found:
        assert not any(row[column] for column in neighbours("oks") if column != "kinematic_tier"), row
        assert "the teacher found no person" in row["note"] and "does not say why" not in row["note"]


def test_whom_a_candidate_loses_is_no_error_of_zero_degrees(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three stages see somebody walk, with two nobody is there, with one the figure stands 4 px to the right."""
    track, random = walker(CLIP), np.random.default_rng(0)

    def people(frame: TimedFrame, stage: int | None, perturbation: str) -> list[Person]:
        moved = track[frame.index] + np.array([4.0 * (stage == 1), 0.0])
        noise = random.normal(0, 1, moved.shape) * (perturbation != PLAIN.name)
        return [] if stage == 2 else [Person(np.column_stack([moved + noise, np.ones(18)]).astype(np.float32), 1.0)]

    teacher, same, lost, shifted = _rows_on_a_clip(tiny_run, tmp_path, monkeypatch, people)
    for row in (teacher, same):
        assert (row["oks"], row["people_recall"], row["angle_median_deg"]) == ("1.0", "1.0", "0.0")
    assert (lost["people_recall"], lost["oks"], lost["angle_median_deg"]) == ("0.0", "", "")
    assert "found again" in lost["note"] and "no joint angle could be compared" in lost["note"]
    # All of a figure moves alike: keypoints differ, angles do not.
    assert 0 < float(shifted["oks"]) < 1 and abs(float(shifted["angle_median_deg"])) < 1e-3


CLIP = 15


def _rows_on_a_clip(
    run: TinyRun,
    folder: Path,
    patch: pytest.MonkeyPatch,
    people: Callable[[TimedFrame, int | None, str], list[Person]],
) -> list[dict[str, str]]:
    """A whole run over a grey video, where each candidate finds these people; every frame is found once."""

    def restored(found: list[Person], perturbation: Perturbation, frame: TimedFrame, built: Built) -> list[Person]:
        assert not found
        return people(frame, built.stage, perturbation.name)

    scales: set[tuple[float, ...]] = set()

    class Noting(Finder):
        def __init__(self, networks: Networks, candidates: Sequence[Built], given: Sequence[float] = ()) -> None:
            scales.add(tuple(given))
            super().__init__(networks, candidates, given)

        def people(self, image: object, candidates: Sequence[Built], time_s: float | None) -> Iterator[FramePeople]:
            yield from (FramePeople([], Parts()) for _ in candidates)

    patch.setenv("COMPRESS_CACHE", str(folder / "cache"))  # where the people of a reference are kept for other runs
    patch.setattr("compress.measure.pose_inference.Finder", Noting)
    patch.setattr("compress.measure.angle_error._restored", restored)
    video, out = grey_video(folder / "grey.mp4", even_times(CLIP)), folder / "out"
    asked = (f"data.images={CLIP}", f"data.source={video}", f"measure.kinematics.frames={CLIP}", "scales=[0.25]")
    assert run_command(["run", str(run.recipe), "--out", str(out), *set_to(*QUICK, *asked)]) == 0
    counts = Counter(entry["key"] for entry in journal(out) if "people" in entry["fact"])
    assert len(counts) == 3 + len(PERTURBATIONS) and set(counts.values()) == {CLIP}
    assert scales == {(0.25,)}
    text = (out / "report.md").read_text()
    assert f"{CLIP} frames of grey.mp4 from frame 0 on" in text and ", reference at scale 0.25, " in text
    found = rows(out)
    assert [row["name"] for row in found] == NAMES
    return found


def test_fresh_starts_over_and_touches_nothing_else(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(tiny_run.out, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    words = ["run", str(tiny_run.recipe), "--out", str(out), *set_to(*QUICK, "candidates.0.name=only-{stages}")]
    assert run_command(words) == 2
    assert "another recipe" in capsys.readouterr().err
    assert tree(out) == {**tree(tiny_run.out), "notes.txt": b"mine"}
    assert run_command([*words, "--fresh"]) == 0
    assert [row["name"] for row in rows(out)] == ["teacher", "only-3", "only-2", "only-1"]
    assert sorted(path.name for path in (out / "candidates").iterdir()) == ["only-1", "only-2", "only-3", "teacher"]
    assert (out / "notes.txt").read_text() == "mine"


def test_the_teacher_of_a_run_is_not_changed_by_it(tiny_run: TinyRun) -> None:
    network, _ = load_model(tiny_run.teacher)
    kept, _ = load_model(tiny_run.out / "candidates" / "teacher")
    assert isinstance(network, PoseNet) and network.spec == kept.spec
    assert all(torch.equal(tensor, kept.state_dict()[name]) for name, tensor in network.state_dict().items())
