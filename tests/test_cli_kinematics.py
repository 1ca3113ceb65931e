"""compress kinematics on made-up videos: what it writes, what it says, and what it does with videos that are odd."""

import csv
import json
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny_spec
from kinematic_videos import HW, Array, KnownPeople, even_times, grey_video, model_of, nobody, walker, without_plots

from compress.cli.main import run_command
from compress.common.progress import Reporter
from compress.kinematics import analysis, plots
from compress.kinematics.analysis import Clip, drawn_frames, watch
from compress.kinematics.pipeline import KinematicsCall, KinematicsResult, run_kinematics
from eval.frame_finder import WholeFrame
from eval.overlay import DrawnPerson
from eval.people_json import read_people
from eval.pose import PoseEstimator
from eval.video import read_video
from teachers.common.errors import UserError
from teachers.skeleton import Skeleton

FRAMES = 45


def measure(folder: Path, video: Path, people: Callable[[int], Sequence[Array]], **changes: Any) -> KinematicsResult:
    model = changes.pop("model", None) or model_of(people, folder)
    call = KinematicsCall(name=video.name, video=video, model=model, out=folder / "out", **changes)
    return run_kinematics(call, Reporter())


@pytest.fixture(autouse=True, scope="module")
def coarse_plots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "DPI", 30)
        yield


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    without_plots(monkeypatch)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KinematicsResult]:
    folder = tmp_path_factory.mktemp("walked")
    track = walker(FRAMES)
    video = grey_video(folder / "walk.mp4", even_times(FRAMES))
    return folder / "out", measure(folder, video, lambda call: [track[call]])


def test_every_file_is_there_under_its_name(walked: tuple[Path, KinematicsResult]) -> None:
    out, _ = walked
    kinds = ["angles_person01.mot", "angles_raw_person01.mot", "velocities_person01.mot", "px_person01.trc"]
    plots = [f"{kind}_person01.png" for kind in ("joints", "segments", "velocities")]
    others = ["angles.csv", "kinematics.mp4", "json"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["kinematics.json", *(f"walk_{name}" for name in [*kinds, *plots, *others])]
    )
    people = sorted((out / "walk_json").iterdir())
    assert [path.name for path in people] == [f"walk_{frame:06d}.json" for frame in range(FRAMES)]
    assert all(len(read_people(path)) == 1 for path in people)
    for kind in plots:
        assert (out / f"walk_{kind}").read_bytes().startswith(b"\x89PNG")


def test_the_angles_are_those_of_the_figure(walked: tuple[Path, KinematicsResult]) -> None:
    out, result = walked
    (subject,) = result.measured
    assert subject.found.views.main == "right" and subject.found.fps == pytest.approx(30)
    # A figure of 150 px in 180: its knee bends to 60 degrees; decoding from maps and 6 Hz may cost a few.
    for side in ("right", "left"):
        knee = subject.found.filtered[:, subject.found.names.index(f"{side} knee")]
        assert 54 < np.nanmax(knee) < 64 and -6 < np.nanmin(knee) < 6
    with (out / "walk_angles.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES * len(subject.found.names)
    lines = (out / "walk_angles_person01.mot").read_text(encoding="utf-8").splitlines()
    assert f"nRows={FRAMES}" in lines and f"nColumns={1 + len(subject.found.names)}" in lines


def test_the_overlay_has_the_frames_and_times_of_the_video(walked: tuple[Path, KinematicsResult]) -> None:
    out, result = walked
    with read_video(out / "walk_kinematics.mp4") as video:
        frames = list(video)
    assert [frame.time_s for frame in frames] == pytest.approx(even_times(FRAMES), abs=1e-4)
    assert result.facts["overlay"]["file"] == "walk_kinematics.mp4" and result.facts["overlay"]["codec"]
    colourful = [int(np.ptp(frame.image.astype(int), axis=2).max()) for frame in frames]
    assert min(colourful) > 60  # the video itself is grey


def test_kinematics_json_says_under_which_conditions(walked: tuple[Path, KinematicsResult]) -> None:
    out, _ = walked
    text = (out / "kinematics.json").read_text(encoding="utf-8")
    facts = json.loads(text)
    assert str(out.parent) not in text
    assert facts["video"]["fps_measured"] == pytest.approx(30) and not facts["video"]["variable_frame_rate"]
    assert facts["video"]["rotation_deg_clockwise"] == 0 and facts["video"]["problems"] == []
    assert facts["model"]["licence"]["name"] == "Apache-2.0" and len(facts["model"]["artefact_sha256"]) == 64
    low_pass = {"filter": "RauchTungStriebel", "cutoff_hz": 6.0, "confidence_power": 2.0, "max_variance": 4.0}
    assert facts["settings"]["low_pass"] == low_pass
    assert facts["rates"]["frames"] == FRAMES and facts["rates"]["decoding_ms_median"] > 0
    assert facts["estimation"]["decoding"]["peak_threshold"] == 0.1 and facts["environment"]["packages"]["numpy"]
    (person,) = facts["people"]
    assert "0 is straight" in person["columns_mean"][0] and "toe" in person["absent"]["ankle"]


@pytest.mark.usefixtures("no_plots")
def test_people_who_leave_and_enter_are_different_ones(tmp_path: Path) -> None:
    track = walker(60)
    people: list[list[Array]] = [[track[i]] if i < 24 or i >= 42 else [] for i in range(60)]
    video = grey_video(tmp_path / "door.mp4", even_times(60))
    result = measure(tmp_path, video, people.__getitem__, person="all")
    assert [len(one.positions) for one in result.measured] == [24, 18] and result.people == 2
    assert (tmp_path / "out" / "door_angles_person02.mot").is_file()
    drawn = measure(tmp_path, video, people.__getitem__, person=2, overlay=False)
    assert [one.number for one in drawn.measured] == [2]
    assert not (tmp_path / "out" / "door_angles_person01.mot").exists()  # what an earlier call left is cleared


@pytest.mark.usefixtures("no_plots")
def test_a_number_that_nobody_has_is_refused(tmp_path: Path) -> None:
    track = walker(20)
    video = grey_video(tmp_path / "one.mp4", even_times(20))
    with pytest.raises(UserError, match="there is no person 3: person 1 was found"):
        measure(tmp_path, video, lambda call: [track[call]], person=3)
    assert not (tmp_path / "out" / "kinematics.json").exists()


@pytest.mark.parametrize(("frames", "fps"), [(1, 30.0), (12, 1.0), (90, 240.0)])
def test_any_frame_rate_and_a_single_frame(tmp_path: Path, frames: int, fps: float) -> None:
    track = walker(frames, fps) if frames > 1 else walker(2)[:1]
    video = grey_video(tmp_path / "odd.mp4", even_times(frames, fps))
    result = measure(tmp_path, video, lambda call: [track[call]])
    (subject,) = result.measured
    assert subject.found.filtered.shape == (frames, 19) and np.isfinite(subject.found.filtered).any()
    assert subject.found.fps == (None if frames == 1 else pytest.approx(fps, rel=1e-3))
    assert np.isfinite(subject.found.velocity).any() == (frames > 1)
    assert any("unfiltered" in note or "single frame" in note for note in subject.found.notes) == (fps < 240)


@pytest.mark.usefixtures("no_plots")
def test_uneven_times_come_from_the_container(tmp_path: Path) -> None:
    times = np.cumsum(np.where(np.arange(FRAMES) % 2, 0.02, 0.05)).tolist()
    track = walker(FRAMES)
    result = measure(tmp_path, grey_video(tmp_path / "phone.mp4", times), lambda call: [track[call]], overlay=False)
    (subject,) = result.measured
    assert np.diff(subject.found.times) == pytest.approx(np.diff(times), abs=1e-4)
    assert result.facts["video"]["variable_frame_rate"]
    assert any("varies" in note for note in subject.found.notes)


@pytest.mark.usefixtures("no_plots")
def test_a_portrait_video_is_upright(tmp_path: Path) -> None:
    video = grey_video(tmp_path / "portrait.mp4", even_times(6))
    data = bytearray(video.read_bytes())
    entries = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # a quarter turn, as a phone held upright writes it
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in entries)
    video.write_bytes(data)
    person = walker(1)[0]
    model = model_of(nobody, tmp_path)
    object.__setattr__(model, "session", KnownPeople(lambda _: [person], (240, 180)))
    result = measure(tmp_path, video, nobody, model=model)
    assert (result.facts["video"]["height"], result.facts["video"]["width"]) == (240, 180)
    assert result.facts["video"]["rotation_deg_clockwise"] == 90 and len(result.measured) == 1
    with read_video(tmp_path / "out" / "portrait_kinematics.mp4") as overlay:
        assert (overlay.height, overlay.width) == (240, 180)


@pytest.mark.usefixtures("no_plots")
def test_only_the_time_range_is_measured_and_frames_keep_their_numbers(tmp_path: Path) -> None:
    track = walker(FRAMES)
    video = grey_video(tmp_path / "part.mp4", even_times(FRAMES))
    result = measure(tmp_path, video, lambda call: [track[call + 15]], time_range=(0.5, 1.0))
    (subject,) = result.measured
    assert result.watched.first_frame == 15 and len(subject.positions) == 16
    assert subject.found.times[[0, -1]] == pytest.approx([0.5, 1.0])
    names = sorted(path.name for path in (tmp_path / "out" / "part_json").iterdir())
    assert (names[0], names[-1]) == ("part_000015.json", "part_000030.json")
    with read_video(tmp_path / "out" / "part_kinematics.mp4") as overlay:
        assert next(iter(overlay)).time_s == 0.0
    with pytest.raises(UserError, match=r"no frame lies between 7 s and 9 s; the video lasts about 1.5"):
        measure(tmp_path, video, nobody, time_range=(7.0, 9.0))


def test_a_model_without_the_keypoints_of_an_angle_gives_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keypoints = ("nose", "neck", "right_hip", "right_knee", "right_ankle", "left_hip")
    limbs = ((1, 0), (1, 2), (2, 3), (3, 4), (1, 5))
    skeleton = Skeleton(name="one-leg", keypoints=keypoints, limbs=limbs, mirror_pairs=((2, 5),), sigmas=(0.1,) * 6)
    track = walker(20)[:, [0, 1, 8, 9, 10, 11]]
    video = grey_video(tmp_path / "leg.mp4", even_times(20))
    model = model_of(lambda call: [track[call]], tmp_path, skeleton)
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model)
    assert run_command(["kinematics", str(video), "--model", "x", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "no column for left knee" in said.err and "one-leg has no left_ankle" in said.err
    assert "right knee" in said.out and "right elbow" not in said.out
    header = (tmp_path / "out" / "leg_angles_person01.mot").read_text(encoding="utf-8")
    assert "right_knee" in header and "left_knee" not in header


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    person, spec = walker(1)[0], tiny_spec()
    drawn = [DrawnPerson(1, np.column_stack([person, np.ones(18)]), {})]
    peaks, frames_drawn = [], 0
    for frames in (20, 80):
        video = grey_video(tmp_path / f"{frames}.mp4", even_times(frames))
        clip = Clip(video.name, video, None)
        estimator = WholeFrame(PoseEstimator(KnownPeople(lambda _: [person]), spec))
        tracemalloc.start()
        watched = watch(clip, estimator, Reporter(), lambda *_: None)
        frames_drawn += sum(1 for _ in drawn_frames(clip, lambda _: drawn, spec.skeleton))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(watched.times) == frames
    one_frame = HW[0] * HW[1] * 3
    assert frames_drawn == 100 and peaks[1] - peaks[0] < 3 * one_frame  # sixty frames more


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("after", [5, 30])
def test_stopped_in_the_middle_it_leaves_no_half_file(tmp_path: Path, after: int) -> None:
    track = walker(FRAMES)

    class Stops(KnownPeople):
        def run(self, image: Any) -> Any:
            if self.calls == after:
                raise KeyboardInterrupt
            return super().run(image)

    video = grey_video(tmp_path / "walk.mp4", even_times(FRAMES))
    measure(tmp_path, video, lambda call: [track[call]])
    model = model_of(nobody, tmp_path)
    object.__setattr__(model, "session", Stops(lambda call: [track[call]]))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, video, nobody, model=model)
    left = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == before and (tmp_path / "out" / "kinematics.json") in left
    assert sum(path.suffix == ".json" for path in left) == FRAMES + 1


@pytest.mark.usefixtures("no_plots")
def test_a_stop_while_drawing_leaves_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    track = walker(20)
    video = grey_video(tmp_path / "walk.mp4", even_times(20))
    monkeypatch.setattr(analysis, "draw_people", stop)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, video, lambda call: [track[call]])
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert "walk_angles_person01.mot" in names and not any("mp4" in name or name == "kinematics.json" for name in names)
