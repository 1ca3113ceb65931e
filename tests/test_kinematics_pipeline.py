"""The call of compress kinematics: options, and files and folders that cannot be."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from kinematic_videos import HW, even_times, grey_video, model_of, nobody, walker, without_plots

from compress.cli.kinematics import _person
from compress.cli.main import run_command
from compress.kinematics import plots
from compress.kinematics.output_folder import find_video
from compress.kinematics.plots import curves
from teachers.common.errors import UserError

Said = pytest.CaptureFixture[str]


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video whose person every model finds; the command is given that model whatever it asks for."""
    track = walker(30)
    without_plots(monkeypatch)
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(lambda call: [track[call]], tmp_path))
    return grey_video(tmp_path / "clip.mp4", even_times(30))


def kinematics(video: Path | str, *words: str) -> int:
    return run_command(["kinematics", str(video), "--model", "known", "--no-video", *words])


def facts_in(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "kinematics.json").read_text(encoding="utf-8"))
    return found


def test_it_says_what_was_found_and_how_fast(somebody: Path, tmp_path: Path, capsys: Said) -> None:
    assert kinematics(somebody, "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr()
    assert "person 1: 0.00 to 0.97 s, facing image right" in said.out and "right knee" in said.out
    assert "30 frames" in said.out and "network" in said.out and "decoding" in said.out
    assert "people in clip.mp4: 30 of 30" in said.err


def test_the_default_folder_is_the_stem(somebody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert kinematics(somebody) == 0
    assert (tmp_path / "kinematics" / "clip" / "kinematics.json").is_file()
    assert not list((tmp_path / "kinematics" / "clip").glob("*.mp4"))


@pytest.mark.parametrize("join", ["-", "_"])
def test_options_are_spelt_with_either(somebody: Path, tmp_path: Path, join: str) -> None:
    words = ["--visible-side", "front", "--cut-off-frequency", "4.5", "--time-range", "0", "0.5"]
    words = [f"--{word[2:].replace('-', join)}" if word.startswith("--") else word for word in words]
    assert kinematics(somebody, *words, "--out", str(tmp_path / "out")) == 0
    facts = facts_in(tmp_path / "out")
    settings, clip = facts["settings"], facts["clip"]
    assert isinstance(settings, dict) and isinstance(clip, dict)
    assert settings["visible_side"] == "front" and settings["low_pass"]["cutoff_hz"] == 4.5
    assert clip["time_range_s"] == [0.0, 0.5] and clip["frames"] == 16


@pytest.mark.parametrize(
    ("word", "expected"),
    [("one_euro", "OneEuro"), ("one-euro", "OneEuro"), ("butterworth", "Butterworth"), ("none", None)],
)
def test_the_filter_is_chosen(somebody: Path, tmp_path: Path, word: str, expected: str | None) -> None:
    assert kinematics(somebody, "--filter", word, "--out", str(tmp_path / "out")) == 0
    settings = facts_in(tmp_path / "out")["settings"]
    assert isinstance(settings, dict)
    assert (settings["low_pass"] or {}).get("filter") == expected
    assert (settings["outliers"] is None) == (expected is None)


@pytest.mark.parametrize("word", ["highest_likelihood", "highest-likelihood", "largest", "all", "12"])
def test_persons_are_chosen_by_word_or_number(word: str) -> None:
    assert _person(word) in ("highest_likelihood", "largest", "all", 12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--person", "0"], "number from 1 on"),
        (["--person", "tallest"], "number from 1 on"),
        (["--visible-side", "top"], "invalid choice"),
        (["--cut-off-frequency", "-1"], "between 0.1 and 1000 Hz"),
        (["--cut-off-frequency", "1e-9"], "between 0.1 and 1000 Hz"),
        (["--threads", "1000000"], "between 1 and 512"),
        (["--cut-off-frequency", "nan"], "between 0.1 and 1000 Hz"),
        (["--filter", "none", "--cut-off-frequency", "6"], "belongs to --filter rts or butterworth"),
        (["--time-range", "2", "1"], "END not before it"),
        (["--time-range", "nan", "1"], "END not before it"),
        (["--time-range", "8", "9"], "no frame lies between"),
        (["--threads", "0"], "between 1 and 512"),
        (["--time-range", "0,1,2"], "2 numbers are needed"),
        (["--scales", "0"], "between 0.1 and 10"),
        (["--scales", "0.5,one"], "numbers are needed, for example 0.5,1"),
        (["--scales", ","], "numbers are needed"),
        (["--slowmo-factor", "0"], "slowmo_factor: must lie above 0"),
        (["--slowmo-factor", "nan"], "slowmo_factor: must lie above 0"),
        (["--person", "4"], "there is no person 4"),
    ],
)
def test_calls_that_cannot_be_end_with_2(
    somebody: Path, tmp_path: Path, capsys: Said, words: list[str], said: str
) -> None:
    try:
        code = kinematics(somebody, *words, "--out", str(tmp_path / "out"))
    except SystemExit as stop:  # argparse's own way
        code = int(stop.code or 0)
    assert code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "out" / "kinematics.json").exists()


@pytest.mark.parametrize("words", [["--person", "9"], ["--time-range", "5", "6"], ["--cut-off-frequency", "1e-9"]])
def test_a_call_that_cannot_be_leaves_earlier_results_alone(somebody: Path, tmp_path: Path, words: list[str]) -> None:
    out = tmp_path / "out"
    assert kinematics(somebody, "--out", str(out)) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert kinematics(somebody, "--out", str(out), *words) == 2
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before and len(before) > 30


def test_a_second_call_replaces_the_first(somebody: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert kinematics(somebody, "--out", str(out)) == 0
    assert kinematics(somebody, "--out", str(out), "--time-range", "0,0.5") == 0
    assert len(list((out / "clip_json").iterdir())) == 16 and not list(out.glob(".importing*"))


@pytest.mark.parametrize("words", [["0.5", "1"], ["0.5,1"], ["0.5,", "1"], ["0.5, 1"]])
def test_scales_are_parted_by_spaces_or_commas(somebody: Path, tmp_path: Path, words: list[str]) -> None:
    out = tmp_path / "out"
    assert kinematics(somebody, "--out", str(out), "--time-range", "0, 0.3", "--scales", *words) == 0
    estimation = facts_in(out)["estimation"]
    assert isinstance(estimation, dict) and estimation["scales"] == [0.5, 1.0]


@pytest.mark.parametrize("name", ["a" * 240, "\u8d70" * 80, "two\u91ce words"])
def test_long_and_foreign_names_of_videos(
    somebody: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.undo()  # with plots
    track = walker(30)
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(lambda call: [track[call]], tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plots, "DPI", 30)
    monkeypatch.setattr(plots, "curves", lambda *given, **named: curves(*given, **named)[:2])  # the title is at issue
    video = somebody.rename(tmp_path / f"{name}.mp4")
    assert kinematics(video) == 0
    (out,) = (tmp_path / "kinematics").iterdir()
    facts = facts_in(out)["video"]
    assert isinstance(facts, dict) and facts["name"] == video.name
    assert len(list(out.glob("*_person01.png"))) == 3 and len(list(out.rglob("*.json"))) == 31
    assert [str(each.message) for each in recwarn if "Glyph" in str(each.message)] == []
    without_plots(monkeypatch)
    assert kinematics(video) == 0, "its own results are known again"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file has a name of 304 bytes|is too long for a path"):
        find_video(str(tmp_path / ("a" * 300 + ".mp4")))


def test_slow_motion_is_taken_out_of_times_and_velocities(somebody: Path, tmp_path: Path) -> None:
    found = []
    still = ("--swap-repair", "off", "--visible-side", "right")  # what looks at speeds would judge both differently
    for factor in ("1", "8"):
        out = tmp_path / factor
        assert kinematics(somebody, "--out", str(out), "--slowmo-factor", factor, "--filter", "none", *still) == 0
        (person,) = facts_in(out)["people"]  # type: ignore[misc]
        found.append(person)
    true, slow = found[1], found[0]
    assert true["fps"] == pytest.approx(240, rel=1e-3) and slow["fps"] == pytest.approx(30, rel=1e-3)
    assert true["end_s"] == pytest.approx(slow["end_s"] / 8)
    fastest = [each["measures"]["right knee"]["max_speed_deg_s"] for each in (slow, true)]
    assert fastest[1] == pytest.approx(8 * fastest[0], rel=1e-3) and fastest[0] > 50


@pytest.mark.parametrize(("suffix", "key"), [(".mp4", "com.android.capture.fps"), (".mkv", "COM.ANDROID.CAPTURE.FPS")])
def test_a_file_that_says_it_was_captured_faster_gets_a_note(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, suffix: str, key: str
) -> None:
    track = walker(30)
    without_plots(monkeypatch)
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(lambda call: [track[call]], tmp_path))
    video = tmp_path / f"slow{suffix}"
    with (
        av.open(str(grey_video(tmp_path / "plain.mp4", even_times(30)))) as source,
        av.open(str(video), "w", options={"movflags": "use_metadata_tags"} if suffix == ".mp4" else {}) as target,
    ):
        target.metadata[key] = "240.000000"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert kinematics(video, "--out", str(tmp_path / "out")) == 0
    assert "captured at 240 frames per second, and plays at 30" in (said := capsys.readouterr().err)
    assert "--slowmo-factor 8" in said
    facts = facts_in(tmp_path / "out")["video"]
    assert isinstance(facts, dict) and facts["fps_captured"] == 240.0
    assert kinematics(video, "--out", str(tmp_path / "out"), "--slowmo-factor", "8") == 0
    assert "captured at" not in capsys.readouterr().err


def test_nobody_in_the_video_ends_with_1(tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(nobody, tmp_path))
    video = grey_video(tmp_path / "empty.mp4", even_times(9))
    out = tmp_path / "out"
    assert kinematics(video, "--out", str(out)) == 1
    assert "no person was found" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["empty_angles.csv", "empty_json", "kinematics.json"]
    assert len(list((out / "empty_json").iterdir())) == 9
    facts = facts_in(out)
    assert facts["people"] == [] and "no person" in str(facts["problem"]) and facts["settings"]


def test_a_damaged_middle_is_passed_over_and_told(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = walker(1)[0]
    without_plots(monkeypatch)
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(lambda _: [person], tmp_path))
    video = tmp_path / "damaged.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "6", "bf": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = HW
        for number in range(30):
            noise = np.random.default_rng(number).integers(0, 256, (*HW, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    video.write_bytes(data)
    out = tmp_path / "out"
    assert kinematics(video, "--out", str(out)) == 0
    assert "warning: damaged.mp4" in capsys.readouterr().err
    facts = facts_in(out)["video"]
    assert isinstance(facts, dict)
    assert facts["problems"] and facts["frames_read"] < 30


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sound.mp4", "no pictures"),
        ("text.mp4", "cannot be read as a video"),
        ("empty.mp4", "empty"),
        (".", "a folder"),
    ],
)
def test_what_is_no_video_ends_with_2_and_makes_no_folder(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setattr("compress.cli.kinematics.open_model", lambda *_: model_of(nobody, tmp_path))
    (tmp_path / "text.mp4").write_text("this is no video " * 50, encoding="utf-8")
    (tmp_path / "empty.mp4").touch()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        assert isinstance(stream, av.AudioStream)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert kinematics(tmp_path / name, "--out", str(tmp_path / "out")) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_video_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    grey_video(tmp_path / "runner.mp4", [0.0])
    with pytest.raises(UserError, match=r"did you mean .*runner\.mp4"):
        find_video(str(tmp_path / "runer.mp4"))
    with pytest.raises(UserError, match="did you mean sports2d-demo"):
        find_video("sports2d_demo")


def test_folders_that_will_not_do_end_with_2(somebody: Path, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert kinematics(somebody, "--out", str(out)) == 2
        assert "cannot be written" in capsys.readouterr().err
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert kinematics(somebody, "--out", str(out)) == 0
    other = grey_video(tmp_path / "other.mp4", even_times(30))
    assert kinematics(other, "--out", str(out)) == 2
    assert "another video, clip.mp4" in capsys.readouterr().err
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine" and (out / "kinematics.json").is_file()
