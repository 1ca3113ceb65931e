"""Reading and writing videos: true times, rotation, damage, files that are no videos."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from eval.video import VideoReader, VideoWriter, read_video
from eval.video_formats import ENCODERS
from teachers.common.errors import UserError

UNEVEN = (0.0, 0.03, 0.1, 0.5, 0.52, 1.75)


def corners(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Dark, brighter, brighter, brightest: top left, top right, bottom left, bottom right."""
    return np.repeat(
        np.kron(np.array([[20, 90], [160, 230]], np.uint8), np.ones((height // 2, width // 2), np.uint8))[..., None],
        3,
        axis=2,
    )


def write(path: Path, times: Sequence[float], image: NDArray[np.uint8] | None = None) -> Path:
    with VideoWriter(path) as video:
        for time_s in times:
            video.write(corners() if image is None else image, time_s)
    return path


def noisy(path: Path, frames: int = 40, options: dict[str, str] | None = None) -> Path:
    """Hard to compress, so that the file is mostly pictures; a key frame in every ten, with B-frames."""
    with av.open(str(path), "w", options={"movflags": "+faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "10", "bf": "2", **(options or {})})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            noise = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def times_of(path: Path) -> tuple[list[float], list[str]]:
    with read_video(path) as video:
        times = [frame.time_s for frame in video]
        return times, video.problems


def test_uneven_times_survive_and_are_called_uneven(tmp_path: Path) -> None:
    path = write(tmp_path / "uneven.mp4", UNEVEN)
    with read_video(path) as video:
        frames = list(video)
        timing, problems = video.timing, video.problems
        assert (video.width, video.height, video.frame_count) == (64, 48, 6)
    assert [frame.time_s for frame in frames] == pytest.approx(UNEVEN, abs=1e-9)
    assert [frame.index for frame in frames] == list(range(6))
    assert problems == [] and timing.variable and timing.frames == 6
    assert timing.dt_min_s == pytest.approx(0.02) and timing.dt_max_s == pytest.approx(1.23)
    assert timing.measured_fps == pytest.approx(5 / 1.75)


@pytest.mark.parametrize("fps", [1.0, 25.0, 30000 / 1001, 240.0])
def test_even_times_give_back_their_rate(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "even.mp4"
    with VideoWriter(path, fps) as video:
        for number in range(12):
            video.write(corners(), number / fps)
    with read_video(path) as read:
        assert read.count() == 12
        assert read.fps == pytest.approx(fps, rel=1e-3) and not read.timing.variable
        assert read.timing.measured_fps == pytest.approx(fps, rel=1e-3)


def test_colour_and_place_survive(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = (230, 30, 60)
    with read_video(write(tmp_path / "x.mp4", [0.0], image)) as video:
        (frame,) = video
    assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
    assert np.abs(frame.image[12, 16].astype(int) - (230, 30, 60)).max() < 12
    assert frame.image[40, 50].max() < 12


@pytest.mark.parametrize("shape", [(47, 63), (48, 63), (1, 1)])
def test_odd_sides_are_padded_to_even(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = write(tmp_path / "x.mp4", [0.0, 0.1], np.full((*shape, 3), 120, np.uint8))
    with read_video(path) as video:
        assert (video.height, video.width) == (shape[0] + shape[0] % 2, shape[1] + shape[1] % 2)
        assert [round(float(frame.image.mean()) / 40) for frame in video] == [3, 3]


@pytest.mark.parametrize("missing", [0, 1, 3, 4])
def test_the_next_encoder_is_taken_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    left = dict(list(ENCODERS.items())[missing:])
    monkeypatch.setattr("eval.video.ENCODERS", left)
    with VideoWriter(tmp_path / "x.mp4") as writer:
        assert writer.codec is None and not writer.plays_in_browser
        for time_s in UNEVEN:
            writer.write(corners(), time_s)
    assert writer.codec in left and writer.plays_in_browser == (writer.codec != "mpeg4")
    times, problems = times_of(tmp_path / "x.mp4")
    assert times == pytest.approx(UNEVEN, abs=1e-4) and problems == []


def test_no_encoder_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.video.ENCODERS", {"no-such-encoder": {}})
    with pytest.raises(UserError, match="none of the encoders no-such-encoder"):
        write(tmp_path / "x.mp4", [0.0])
    assert list(tmp_path.iterdir()) == []


def test_browsers_can_start_before_the_end(tmp_path: Path) -> None:
    data = write(tmp_path / "x.mp4", UNEVEN).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_a_video_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"the older one")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path) as video:
        video.write(corners(), 0.0)
        raise KeyboardInterrupt
    with VideoWriter(path):
        pass
    assert path.read_bytes() == b"the older one" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_the_users_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another folder"):
        write(tmp_path / "file" / "x.mp4", [0.0])


@pytest.mark.parametrize("times", [(0.1, 0.1), (0.5, 0.2), (-1.0,)])
def test_times_that_do_not_rise_are_refused(tmp_path: Path, times: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="times must rise"):
        write(tmp_path / "x.mp4", times)


def test_pictures_of_another_size_or_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one size"), VideoWriter(tmp_path / "x.mp4") as video:
        video.write(corners(), 0.0)
        video.write(corners(64, 48), 1.0)
    with pytest.raises(ValueError, match="uint8"), VideoWriter(tmp_path / "x.mp4") as video:
        video.write(corners().astype(np.float32), 0.0)
    with pytest.raises(ValueError, match=r"as \.mp4"):
        VideoWriter(tmp_path / "x.avi")


# Matrix entries a b c d of ISO/IEC 14496-12 and the corners that must be seen. A phone held upright writes 0 1 -1 0.
TURNS = [
    ((1, 0, 0, 1), "ABCD"),
    ((0, 1, -1, 0), "CADB"),
    ((-1, 0, 0, -1), "DCBA"),
    ((0, -1, 1, 0), "BDAC"),
    ((-1, 0, 0, 1), "BADC"),
    ((0, 1, 1, 0), "ACBD"),
]


@pytest.mark.parametrize(("entries", "expected"), TURNS)
def test_the_rotation_flag_of_a_phone_is_applied(tmp_path: Path, entries: tuple[int, ...], expected: str) -> None:
    path = write(tmp_path / "phone.mp4", [0.0, 0.1])
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in entries)
    matrix = b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix lies 40 bytes into the box
    data[start : start + 36] = matrix
    path.write_bytes(data)
    with read_video(path) as video:
        frames = list(video)
        assert (video.height, video.width) == frames[0].image.shape[:2] == ((48, 64) if entries[0] else (64, 48))
    height, width = frames[1].image.shape[:2]
    rows, columns = np.array([1, 1, 3, 3]) * height // 4, np.array([1, 3, 1, 3]) * width // 4
    seen = "".join("ABCD"[round((int(value) - 20) / 70)] for value in frames[1].image[rows, columns, 0])
    assert seen == expected


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(), format="bgr24")))
        container.mux(stream.encode(None))
    with read_video(path) as video:
        assert next(iter(video)).image.shape == (video.height, video.width, 3) == (48, 96, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cut_video_gives_what_is_there_and_says_so(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = noisy(tmp_path / f"cut{suffix}", 60)
    whole, none = times_of(path)
    assert len(whole) == 60 and none == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    times, problems = times_of(path)
    assert 15 < len(times) < 45 and times == whole[: len(times)]
    assert any("ends early" in problem for problem in problems)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_damaged_middle_costs_no_more_than_up_to_the_next_key_frame(tmp_path: Path, place: float) -> None:
    path = noisy(tmp_path / "x.mp4", 60)
    with read_video(path) as video:
        clean = {frame.time_s: frame.image for frame in video}
    data = bytearray(path.read_bytes())
    start, length = int(len(data) * place), len(data) // 20  # several whole frames
    data[start : start + length] = bytes(length)
    path.write_bytes(data)
    with read_video(path) as video:
        sound = {frame.time_s: frame.image for frame in video}
        problems = video.problems
    lost = sorted(clean.keys() - sound.keys())
    assert 0 < len(lost) < 25 and max(sound) == max(clean)
    assert problems == [f"damaged frames left out: {len(lost)} ({lost[0]:.3f} s to {lost[-1]:.3f} s)"]
    same = [np.array_equal(image, clean[time_s]) for time_s, image in sound.items()]
    # At most the picture before the decoder noticed may be off.
    assert same.count(False) <= 1


def test_what_only_a_strict_decoder_objects_to_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = VideoReader._start
    # No encoder writes such a file; the reader is told that its strict attempt found nothing.
    monkeypatch.setattr(VideoReader, "_start", lambda self, options: None if options else start(self, options))
    times, problems = times_of(write(tmp_path / "x.mp4", UNEVEN))
    assert times == pytest.approx(UNEVEN)
    assert problems == ["the decoder objects to every frame; read without its checks, so damage may go unseen"]


def test_a_video_whose_only_key_frame_is_damaged_has_no_usable_frame(tmp_path: Path) -> None:
    path = noisy(tmp_path / "x.mp4", 20, {"g": "1000", "sc_threshold": "0"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 1000  # all others build on it
    data[start : start + 200] = np.random.default_rng(0).bytes(200)
    path.write_bytes(data)
    with pytest.raises(UserError, match="no frame of this video can be decoded"):
        read_video(path)


def test_a_bare_stream_without_times_is_placed_and_said(tmp_path: Path) -> None:
    times, problems = times_of(noisy(tmp_path / "bare.h264", 10))
    assert times == pytest.approx(np.arange(10) / 25)
    assert problems == ["frames without a time stamp: 10, taken to follow at 25 a second"]


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def headless(path: Path) -> None:
    data = write(path, UNEVEN).read_bytes()
    path.write_bytes(data[: data.index(b"mdat")].replace(b"moov", b"free"))


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("empty.mp4", lambda path: path.write_bytes(b""), "is empty"),
        ("text.mp4", lambda path: path.write_text("hello\n" * 40), "cannot be read as a video"),
        ("text.txt", lambda path: path.write_text("hello\n" * 40), "cannot be read as a video|is no video"),
        ("photo.mp4", lambda path: Image.new("RGB", (64, 48)).save(path, "JPEG"), "is no video"),
        ("song.wav", sound_only, "has sound but no pictures"),
        ("headless.mp4", headless, "cut off"),
        ("missing.mp4", lambda path: None, "no such video file"),
        ("folder.mp4", lambda path: path.mkdir(), "no such video file"),
    ],
)
def test_what_is_no_video_gets_a_sentence_and_no_noise(
    tmp_path: Path, name: str, make: object, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(make)
    make(tmp_path / name)
    with pytest.raises(UserError, match=said):
        read_video(tmp_path / name)
    assert capfd.readouterr() == ("", "")
