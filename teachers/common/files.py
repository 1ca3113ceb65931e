"""Files are written whole or not at all: into a temporary file beside the target, flushed, then renamed."""

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from teachers.common.errors import UserError

_PARTIAL = ".partial-"
"""How the names of temporary files begin, so that those of a killed process are told from a user's own files."""
_STAGING = ".importing-"
"""How the names of folders in the making begin; they end with the process that makes them."""
_STAGED = re.compile(re.escape(_STAGING) + r"(?P<target>.+)-(?P<process>\d{1,9})", re.DOTALL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the target's folder; it takes the target's place only if the block succeeds.

    The temporary name keeps the target's suffix, because several writers choose the format by it. An OSError that
    names no file, as one from a full disk does not, comes back with the target's name. A device or a pipe, such as
    /dev/null, is written into: whoever may replace it would take it from everybody else.
    """
    if is_special(path):
        with tempfile.TemporaryDirectory() as folder, _naming(path):
            elsewhere = Path(folder) / f"content{path.suffix}"
            elsewhere.touch()
            yield elsewhere
            path.write_bytes(elsewhere.read_bytes())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PARTIAL, suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_special(path: Path) -> bool:
    """Whether something is there that is neither file nor folder, or a name of the system's for a stream."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.parent in (Path("/dev"), Path("/dev/fd"))


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields the path of a folder that is not there yet, beside the target: from it a file is renamed into the target.

    It is removed at the end, and so are those that killed processes left for the same target.
    """
    made = folder.with_name(f"{_STAGING}{folder.name}-{os.getpid()}")
    if folder.parent.is_dir():
        for path in folder.parent.iterdir():
            staged = _STAGED.fullmatch(path.name)
            if staged and staged["target"] == folder.name:
                _remove_left(path)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def is_partial(path: Path) -> bool:
    """Whether this is a temporary file or folder of ours, in use or left by a process that was killed."""
    return path.name.startswith(_PARTIAL) or _STAGED.fullmatch(path.name) is not None


def sweep(folder: Path) -> None:
    """Removes what killed processes left below the folder; to be called while no other process writes there.

    Our temporary files are files: a folder of such a name is a user's own and stays.
    """
    for stale in folder.rglob(f"{_PARTIAL}*"):
        if stale.is_symlink() or not stale.is_dir():
            stale.unlink(missing_ok=True)
    for stale in list(folder.rglob(f"{_STAGING}*")):
        _remove_left(stale)


def _remove_left(path: Path) -> None:
    """Removes a folder that `staging` made, unless the process that made it is at work."""
    staged = _STAGED.fullmatch(path.name)
    if staged and path.is_dir() and not path.is_symlink() and not _at_work(int(staged["process"])):
        shutil.rmtree(path, ignore_errors=True)


def _at_work(process: int) -> bool:
    """Whether another process of this number is there; ours would not have come here with a folder in the making."""
    if process == os.getpid():
        return False
    if os.name != "posix":
        return True  # there is no way to ask: elsewhere signal 0 is a signal
    try:
        os.kill(process, 0)  # asks, and sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # another user's process
    return True


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


LONGEST_NAME = 180
"""Bytes of a name that others are made from: with what is added to it, it stays below the 255 of file systems."""


def short_name(name: str) -> str:
    """The name, or if it is too long to be added to, its beginning and eight digits that stand for all of it."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= LONGEST_NAME:
        return name
    kept = data[: LONGEST_NAME - 9].decode("utf-8", "ignore")
    return f"{kept}-{hashlib.sha256(data).hexdigest()[:8]}"


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all; bytes of a path that are no UTF-8 are written as an escape."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n", errors="backslashreplace")


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def printable(text: str) -> str:
    """A path or file name as UTF-8 can hold it: bytes that are no UTF-8 are shown as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def append_line(path: Path, line: str) -> None:
    """Appends one line and flushes it to disk; a torn line from an earlier kill is closed off first."""
    if "\n" in line:
        raise ValueError("a line must not hold a line break")
    with _naming(path), path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def user_path(text: str) -> Path:
    """The path that somebody wrote, with `~` put in. UserError for one that no disk can hold, and an unknown user."""
    try:
        path = Path(text).expanduser()
        path.stat()
    except (RuntimeError, ValueError) as error:  # no such user; a zero byte
        raise UserError(f"{printable(text)}: is no path: {error}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{printable(text[:60])}...: is too long for a path") from error
    return path


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both paths lead to one file that is there."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
