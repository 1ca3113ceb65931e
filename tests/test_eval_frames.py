"""Sources of frames and the seeded sample: folders, COCO files, damaged images, videos, misspelt names."""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eval.frames import Frame, FrameSource, Unreadable, draw_sample, open_source
from eval.video import VideoWriter
from teachers.common.errors import UserError

SIZE = (64, 48)


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def folder_of(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        picture(number).save(folder / f"{number:03d}.jpg")
    return folder


def only_frame(path: Path) -> Frame | Unreadable:
    ((_, frame),) = open_source(str(path)).read([0])
    return frame


@dataclass(frozen=True)
class Listed:
    """A source that is nothing but names, some of which cannot be read."""

    listed: tuple[str, ...]
    broken: frozenset[str] = frozenset()
    name: str = "listed"

    def names(self) -> list[str]:
        return list(self.listed)

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | Unreadable]]:
        for index in indices:
            yield index, Frame(self.listed[index], np.zeros((1, 1, 3), np.uint8))

    def screen(self, order: Iterable[int]) -> Iterator[int | Unreadable]:
        for index in order:
            name = self.listed[index]
            yield Unreadable(name, "broken") if name in self.broken else index

    def fingerprint(self, index: int) -> str:
        return self.listed[index]


NAMES = st.lists(st.text("abcdef/_", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(NAMES, st.integers(1, 40), st.integers(0, 2**32), st.data())
def test_a_sample_is_sorted_repeatable_and_knows_no_order_of_listing(
    names: list[str], images: int, seed: int, data: st.DataObject
) -> None:
    broken = frozenset(data.draw(st.sets(st.sampled_from(names), max_size=len(names) - 1)))
    source: FrameSource = Listed(tuple(names), broken)
    sample = draw_sample(source, images, seed)
    drawn = {names[index] for index in sample.indices}
    assert list(sample.indices) == sorted(set(sample.indices))
    assert len(drawn) == min(images, len(names) - len(broken)) and not drawn & broken
    assert {one.name for one in sample.unreadable} <= broken and sample.asked == images
    assert draw_sample(Listed(tuple(names), broken), images, seed) == sample
    shuffled = random.Random(seed).sample(names, len(names))
    again = draw_sample(Listed(tuple(shuffled), broken), images, seed)
    assert {shuffled[index] for index in again.indices} == drawn
    assert [frame.name for frame in sample.frames(1)] == [names[index] for index in sample.indices[1:]]


def test_another_seed_gives_another_sample() -> None:
    source = Listed(tuple(f"{number:03d}" for number in range(200)))
    first, second = draw_sample(source, 20, 0), draw_sample(source, 20, 1)
    assert first.indices != second.indices and first.digest != second.digest


def test_a_folder_names_its_images_without_suffix_and_reads_them_in_colour(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shots", 3)
    red = Image.new("RGB", SIZE, (250, 10, 20))
    red.save(folder / "red.PNG")
    red.save(folder / "000.bmp")
    (folder / "._001.jpg").write_bytes(b"left by another system")
    (folder / "notes.txt").write_text("not an image")
    source = open_source(str(folder))
    assert source.name == "shots"
    assert source.names() == ["000.bmp", "000.jpg", "001", "002", "red"]
    (_, frame), *_ = source.read([4])
    assert isinstance(frame, Frame) and frame.image.dtype == np.uint8 and frame.image.shape == (48, 64, 3)
    assert frame.image[0, 0].tolist() == [20, 10, 250]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_image_becomes_bgr_bytes(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(np.full((48, 64), 128 * 257, np.uint16)).save(path)
    else:
        Image.new("RGB", SIZE, (128, 128, 128)).convert(mode).save(path)
    frame = only_frame(path)
    assert isinstance(frame, Frame) and frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8
    # Black and white is dithered, so only its mean is grey; CMYK is a rough conversion.
    assert frame.image.mean() == pytest.approx(128, abs=6)


@pytest.mark.parametrize(("orientation", "expected"), [(1, "ABCD"), (3, "DCBA"), (6, "CADB"), (8, "BDAC"), (2, "BADC")])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, expected: str) -> None:
    corners = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(corners).save(tmp_path / "x.png", exif=exif)
    frame = only_frame(tmp_path / "x.png")
    assert isinstance(frame, Frame)
    seen = frame.image[[8, 8, 24, 24], [8, 24, 8, 24], 0]
    assert "".join("ABCD"[value // 80] for value in seen) == expected


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
def test_a_cut_image_is_named_and_passed_over_without_noise(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path / "shots", 3)
    picture().save(folder / f"cut.{suffix}", **({"compression": "tiff_lzw"} if suffix == "tif" else {}))
    whole = (folder / f"cut.{suffix}").read_bytes()
    (folder / f"cut.{suffix}").write_bytes(whole[: len(whole) * 6 // 10])
    sample = draw_sample(open_source(str(folder)), 10, 0)
    assert [one.name for one in sample.unreadable] == ["cut"] and sample.unreadable[0].reason
    assert len(list(sample.frames())) == len(sample.indices) == 3
    assert capfd.readouterr() == ("", "")


def test_an_image_that_is_none_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    picture().save(tmp_path / "big.png")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    picture().resize((1, 21)).save(tmp_path / "strip.png")
    monkeypatch.setattr("eval.frame_pixels.MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(UserError, match=r"no usable frame.*and 3 more"):
        draw_sample(open_source(str(tmp_path)), 5, 0)
    found = {
        frame.name: frame.reason
        for _, frame in open_source(str(tmp_path)).read(range(6))
        if not isinstance(frame, Frame)
    }
    expected = {"empty": "empty", "text": "no image", "link": "missing", "big": "too large", "float": "floating"}
    expected |= {"strip": "too narrow"}
    assert found.keys() == expected.keys()
    assert all(word in found[name] for name, word in expected.items())


def test_a_bomb_and_a_locked_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(tmp_path / "bomb.png")
    data = bytearray((tmp_path / "bomb.png").read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2  # the size that the header claims
    data[29:33] = __import__("zlib").crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(data)
    bomb = only_frame(tmp_path / "bomb.png")
    assert isinstance(bomb, Unreadable) and "too large" in bomb.reason

    def locked(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", locked)
    denied = only_frame(tmp_path / "bomb.png")
    assert isinstance(denied, Unreadable) and "Permission denied" in denied.reason


@given(st.sampled_from(["JPEG", "PNG", "BMP", "WEBP"]), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255))))
def test_no_damage_gets_past_as_another_error(kind: str, changes: list[tuple[int, int]]) -> None:
    import io

    from eval.frame_pixels import BrokenImage, decode_image

    held = io.BytesIO()
    picture().save(held, kind)
    data = bytearray(held.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    try:
        assert decode_image(bytes(data)).ndim == 3
    except BrokenImage as error:
        assert str(error)


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found: nothing"):
        open_source(str(tmp_path))
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("x")
    with pytest.raises(UserError, match=r"found: 2 \.txt"):
        open_source(str(tmp_path))
    folder_of(tmp_path / "inner", 1)
    with pytest.raises(UserError, match="subfolder inner"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("sports2d-dem", "did you mean sports2d-demo"),
        ("openpose-mobilenet-thin", "one of: sports2d-demo"),
        ("", "no such file"),
        ("a\0b", "is no path: embedded null byte"),
        ("x" * 5000, "is too long for a path"),
    ],
)
def test_a_misspelt_source_gets_the_nearest_name(source: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_source(source)


def test_a_misspelt_file_gets_the_nearest_file(tmp_path: Path) -> None:
    folder_of(tmp_path / "photographs", 1)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "photographs"))):
        open_source(str(tmp_path / "photograps"))


def test_a_video_is_a_source_and_its_digest_knows_no_place(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    with VideoWriter(tmp_path / "here" / "walk.mp4") as video:
        for number in range(9):
            video.write(np.full((48, 64, 3), 20 * number, np.uint8), number / 30)
    (tmp_path / "there" / "walk.mp4").write_bytes((tmp_path / "here" / "walk.mp4").read_bytes())
    source = open_source(str(tmp_path / "here" / "walk.mp4"))
    sample = draw_sample(source, 4, 0)
    assert source.names()[-1] == "frame_000008" and len(sample.indices) == 4
    grey = [round(float(frame.image.mean()) / 20) for frame in sample.frames()]
    assert tuple(grey) == sample.indices
    assert [frame.name for frame in sample.frames(3)] == [f"frame_{sample.indices[3]:06d}"]
    assert draw_sample(open_source(str(tmp_path / "there" / "walk.mp4")), 4, 0).digest == sample.digest
    assert list(source.read([7, 30]))[1] == (30, Unreadable("frame_000030", "the video ends before this frame"))


def test_a_damaged_video_gives_its_sound_frames_and_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    with VideoWriter(path) as video:
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            video.write(noise, number / 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sample = draw_sample(open_source(str(path)), 100, 0)
    assert 5 < len(sample.indices) < 35 and sample.asked == 100
    assert {one.name for one in sample.unreadable} == {"walk.mp4"}
    assert any("ends early: the file announces 40 frames" in one.reason for one in sample.unreadable)


def test_a_file_that_changed_after_the_drawing_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shots", 2)
    sample = draw_sample(open_source(str(folder)), 2, 0)
    (folder / "001.jpg").unlink()
    with pytest.raises(UserError, match="could be read when the sample was drawn; the file is missing"):
        list(sample.frames())
