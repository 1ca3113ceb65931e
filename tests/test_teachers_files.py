"""What killed processes left is removed, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from teachers.common.errors import UserError
from teachers.common.files import is_partial, is_special, staging, sweep, user_path, write_text


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_sweep_removes_what_is_left_and_leaves_folders_alone(tmp_path: Path, gone: int) -> None:
    deep = tmp_path / "deep"
    own = deep / ".partial-notes"
    own.mkdir(parents=True)
    (own / "mine.txt").touch()
    left = deep / f".importing-vgg-{gone}"
    left.mkdir()
    (left / "weights.safetensors").touch()
    at_work = deep / f".importing-vgg-{os.getppid()}"
    at_work.mkdir()
    (deep / ".partial-x.json").touch()
    (deep / ".partial-link").symlink_to(own)
    sweep(tmp_path)
    assert sorted(path.name for path in deep.iterdir()) == sorted([own.name, at_work.name])
    assert (own / "mine.txt").exists()


def test_links_are_not_followed(tmp_path: Path, gone: int) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "own.txt").touch()
    link = tmp_path / f".importing-vgg-{gone}"
    link.symlink_to(tmp_path / "theirs")
    sweep(tmp_path)
    assert (tmp_path / "theirs" / "own.txt").exists()


def test_a_folder_in_the_making_goes_whatever_happens(tmp_path: Path, gone: int) -> None:
    left = tmp_path / f".importing-a[1]-{gone}"
    left.mkdir()
    with pytest.raises(OSError, match="full"), staging(tmp_path / "a[1]") as made:
        assert made.parent == tmp_path and is_partial(made) and not made.exists() and not left.exists()
        made.mkdir()
        raise OSError("full")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("~no-such-user-here/a", "is no path: "),
        ("a\0b", "is no path: "),
        ("x" * 300, r"\.\.\.: is too long for a path"),
    ],
)
def test_a_path_that_no_disk_holds_is_a_users_mistake(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        user_path(text)
    assert user_path("~") == Path.home() and user_path("not/there") == Path("not/there")


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    """As root a device, /dev/null too, would otherwise be replaced by a file."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "whole")
        assert os.read(reading, 100) == b"whole"
    finally:
        os.close(reading)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
    assert is_special(Path(os.devnull)) and not is_special(tmp_path) and not is_special(tmp_path / "none")
