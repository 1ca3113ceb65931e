"""The teacher's maps on disk: asked for once, never another's, whole or not there at all."""

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from compress_children import children
from conftest import LICENCE
from training_targets import asking, tiny_targets, tiny_teacher

from compress.common.display import shown
from compress.core.candidate import Candidate
from compress.training.augmentation import Augmentation
from compress.training.target_cache import CachedTarget
from compress.training.teacher_targets import TeacherTargets
from eval.maps import average_scales, prepare
from teachers.common.errors import UserError
from teachers.posenet import PoseNet

HALF = 2.0**-11
"""The largest relative error of half precision; below 2**-14 the largest error is 2**-25."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def counted(folder: Path, teacher: PoseNet | None = None, **plan: object) -> tuple[TeacherTargets, list[int]]:
    """Tiny targets, and where their questions to the teacher are counted."""
    asked: list[int] = []
    targets, teacher = tiny_targets(folder, **plan), teacher or tiny_teacher()
    given = {name: getattr(targets, name) for name in ("plan", "store", "seed", "reporter")}
    return TeacherTargets(teacher=Candidate.of(teacher, LICENCE), ask=asking(teacher, asked), **given), asked


def fill(targets: TeacherTargets) -> list[CachedTarget]:
    """Asks for everything that a training asks for."""
    assert targets.held_out
    return [entry for entries in targets.filled.entries for entry in entries]


def pictures(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in sorted((folder / "photos").iterdir())]


def stacked(teacher: PoseNet, image: np.ndarray, scale: float) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat(list(teacher(torch.from_numpy(prepare(image, scale, teacher.spec.stride)))), dim=1)


def test_the_teacher_is_asked_once_for_all(tmp_path: Path) -> None:
    targets, asked = counted(tmp_path)
    assert len(fill(targets)) == 4 * 2
    assert len(asked) == 4 * 2 + 2  # four to learn from, mirrored too; two held out
    again, asked = counted(tmp_path)
    entries = fill(again)
    assert not asked
    assert all(entry.load()[1].dtype == np.float16 for entry in entries)
    more, asked = counted(tmp_path, val_frames=1)
    fill(more)
    assert len(asked) == 1  # one frame that was held out, now mirrored


def other_weights() -> PoseNet:
    teacher = tiny_teacher()
    with torch.no_grad():
        teacher.stages[0].paf[0].conv.bias += 1e-6
    return teacher


OTHERS = {
    "another teacher": ({"teacher": other_weights()}, 10),
    "another scale": ({"scales": (0.3,)}, 10),
    "averaged": ({"multiscale_average": True}, 10),
    "averaged over others": ({"multiscale_average": True, "scales": (0.25, 0.3)}, 20),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_another_was_asked_is_never_used(tmp_path: Path, kind: str) -> None:
    others, questions = OTHERS[kind]
    fill(counted(tmp_path)[0])
    fill(counted(tmp_path, multiscale_average=True, scales=(0.25, 0.35))[0])
    before = {path: path.read_bytes() for path in (tmp_path / "targets").rglob("*.npy")}
    targets, asked = counted(tmp_path, **others)
    fill(targets)
    assert len(asked) == questions
    assert before and all(path.read_bytes() == data for path, data in before.items())


def test_another_picture_under_the_same_name_is_asked_about(tmp_path: Path) -> None:
    fill(counted(tmp_path)[0])
    photos = sorted((tmp_path / "photos").iterdir())
    shutil.copy(photos[0], photos[1])
    targets, asked = counted(tmp_path)
    fill(targets)
    assert 1 <= len(asked) <= 4  # which frames are held out is drawn from all; those may ask for a mirrored one


@pytest.mark.parametrize("scale", [0.25, 0.3])
def test_entries_are_the_teachers_answers_in_half_precision(tmp_path: Path, scale: float) -> None:
    targets, _ = counted(tmp_path, scales=(scale,))
    filled, teacher, images = fill(targets), tiny_teacher(), pictures(tmp_path)
    names = [frame.index for frame in targets.frames.train]
    assert len(filled) == 2 * len(names) == 8
    for number, entry in enumerate(filled):
        index, mirrored = names[number // 2], number % 2
        seen = np.ascontiguousarray(images[index][:, ::-1]) if mirrored else images[index]
        exact = stacked(teacher, seen, scale)[0].numpy().astype(np.float64)
        image, maps = entry.load()
        assert np.abs(maps - exact).max() > 0, "half precision cannot be exact"
        assert (np.abs(maps.astype(np.float64) - exact) <= np.maximum(HALF * np.abs(exact), 2.0**-25)).all()
        height, width = image.shape[:2]
        wanted = prepare(seen, scale, 8)[0, :, :height, :width].transpose(1, 2, 0)
        assert np.array_equal(image, wanted.astype(np.uint8))


def test_averaged_entries_are_the_average_of_all_scales_on_their_own_grid(tmp_path: Path) -> None:
    scales = (0.25, 0.4)
    targets, asked = counted(tmp_path, multiscale_average=True, scales=scales, flip=False)
    entries, teacher, images = fill(targets), tiny_teacher(), pictures(tmp_path)
    assert len(asked) == 6 * len(scales), "each scale is asked about once, not once for each scale it is averaged into"
    for number, entry in enumerate(entries):
        image = images[targets.frames.train[number // 2].index]
        mean = average_scales([stacked(teacher, image, scale) for scale in scales], image.shape[:2], scales, 8)
        maps = torch.from_numpy(np.array(entry.load()[1]))
        wanted = torch.nn.functional.interpolate(mean, maps.shape[1:], mode="bilinear", antialias=True)[0]
        assert float((maps.float() - wanted).abs().max()) <= HALF * float(wanted.abs().max())


DAMAGE = {
    "empty": lambda whole: b"",
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "cut by a byte": lambda whole: whole[:-1],
    "a pickle": lambda whole: PICKLE,  # which is never opened
}
PICKLE = (
    b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n\x80\x04."
)


@pytest.mark.parametrize("part", ["image", "maps"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_computed_again(tmp_path: Path, part: str, kind: str) -> None:
    targets, _ = counted(tmp_path)
    path: Path = getattr(fill(targets)[3], part)
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[kind](whole))
    again, asked = counted(tmp_path)
    fill(again)
    assert len(asked) == 1 and path.read_bytes() == whole


def test_a_limit_says_what_would_do_and_keeps_what_is_there(tmp_path: Path) -> None:
    targets, asked = counted(tmp_path, cache_gib=1e-4)
    with pytest.raises(UserError, match=r"would take .* GiB, training\.cache_gib allows 0.0001; fewer frames or sm"):
        fill(targets)
    there = len(asked)
    assert 0 < there < 10
    larger, asked = counted(tmp_path)
    fill(larger)
    assert len(asked) == 10 - there
    fill(counted(tmp_path, cache_gib=1e-4)[0])  # nothing more is needed


def test_the_limit_holds_where_the_first_frame_says_little(tmp_path: Path) -> None:
    """It cannot be read, or it is far smaller than the others, or another call has cached it."""
    for name in ("unreadable", "small"):
        (tmp_path / name).mkdir()
        tiny_targets(tmp_path / name, photos=8)
        first = tmp_path / name / "photos" / "a-first.png"
        if name == "unreadable":
            first.write_bytes(b"no picture")
        else:
            cv2.imwrite(str(first), np.zeros((160, 8, 3), np.uint8))
        targets, asked = counted(tmp_path / name, cache_gib=2e-4, val_frames=1)
        with pytest.raises(UserError, match="cache_gib"):
            targets.filled  # noqa: B018 - asking for it fills it
        assert len(asked) < 8


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_would_do_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    targets, asked = counted(tmp_path)
    written, flush = [0], os.fsync

    def full(file: int) -> None:
        written[0] += 1
        if written[0] > 9:
            raise OSError(number, os.strerror(number))
        flush(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"the disk is full; what was computed is kept.*COMPRESS_CACHE"):
            fill(targets)
    assert len(asked) == 5
    assert not [path for path in (tmp_path / "targets").rglob("*") if "partial" in path.name]
    again, asked = counted(tmp_path)
    fill(again)
    assert len(asked) == 10 - 4  # the fifth has its maps and lacks its picture


def test_a_disk_that_is_full_in_the_middle_of_a_file_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """np.save to a file on a full disk raises an OSError without a number; /dev/full is such a disk."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - for the whole test
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: full.write(data))
    with pytest.raises(UserError, match="the disk is full"):
        fill(counted(tmp_path)[0])
    full.close()


def test_a_disk_without_room_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10_000))
    targets, asked = counted(tmp_path)
    with pytest.raises(UserError, match=r"the disk has .* free; fewer frames, smaller scales, or a larger disk"):
        fill(targets)
    assert len(asked) <= 2


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets, _ = counted(tmp_path, photos=6)
    bad = sorted((tmp_path / "photos").iterdir())
    for path in bad[:3]:
        path.write_bytes(path.read_bytes()[:40])
    targets, asked = counted(tmp_path, val_frames=1)
    readable = {frame.name for frame in targets.frames.train} - {path.stem for path in bad[:3]}
    assert 0 < len(readable) < 5
    with shown():
        assert len(targets.filled.entries) == len(targets.samples((16, 16), Augmentation.none())) == len(readable)
    said = capsys.readouterr().err
    assert said.count("warning: training data: photo") == 5 - len(readable)
    assert len(asked) == 2 * len(readable)


def test_no_readable_picture_at_all(tmp_path: Path) -> None:
    counted(tmp_path)
    for path in (tmp_path / "photos").iterdir():
        path.write_bytes(path.name.encode())
    with pytest.raises(UserError, match=r"training\.data: none of its frames can be read"):
        counted(tmp_path)[0].filled  # noqa: B018


def test_nobody_in_any_frame(tmp_path: Path) -> None:
    teacher = tiny_teacher()
    with torch.no_grad():
        teacher.stages[-1].heatmap[-1].conv.weight *= 0
        teacher.stages[-1].heatmap[-1].conv.bias.fill_(0.09)
    with pytest.raises(UserError, match=r"training\.data: the teacher finds no person in any frame"):
        fill(counted(tmp_path, teacher)[0])


def test_people_in_few_frames_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets, _ = counted(tmp_path)
    seen = [max(float(entry.load()[1][:18].max()) for entry in frame) for frame in targets.filled.entries]
    with shown():
        assert fill(counted(tmp_path)[0])
    assert min(seen) >= 0.1 and "warning" not in capsys.readouterr().err
    for frame in targets.filled.entries[:3]:
        for entry in frame:
            np.save(entry.maps, np.asarray(entry.load()[1]) * np.float16(0))
    with shown():
        assert counted(tmp_path)[0].filled.alive(18) == 0.25
    assert "warning: training.data: the teacher sees people in 1 of 4 frames" in capsys.readouterr().err


def _fill_beside_another(folder: Path, asked: "object") -> None:
    torch.set_num_threads(1)
    targets, questions = counted(folder)
    fill(targets)
    asked.put(len(questions))


def test_two_processes_that_fill_at_once_leave_whole_files(tmp_path: Path) -> None:
    tiny_targets(tmp_path)
    context = children()
    asked = context.Queue()
    both = [context.Process(target=_fill_beside_another, args=(tmp_path, asked)) for _ in range(2)]
    for process in both:
        process.start()
    questions = [asked.get(timeout=60) for _ in both]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0] and 10 <= sum(questions) <= 20
    after, asked_after = counted(tmp_path)
    left = {entry.maps: entry.maps.read_bytes() for entry in fill(after)}
    assert not asked_after
    assert not [path for path in (tmp_path / "targets").rglob("*") if "partial" in path.name]
    shutil.rmtree(tmp_path / "targets")
    alone = {entry.maps: entry.maps.read_bytes() for entry in fill(counted(tmp_path)[0])}
    assert left == alone
