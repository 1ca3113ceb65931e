"""One process at a time: a lock file that the operating system frees by itself when its holder is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from teachers.common.errors import UserError


@contextmanager
def only_one(path: Path, wait_s: float, taken: str) -> Iterator[None]:
    """Holds the lock at `path`; waits `wait_s` seconds for another holder, then raises UserError(taken).

    The folder of `path` must be there. OSError if the lock file cannot be made.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise UserError(taken) from error
    except NotImplementedError as error:
        raise UserError(f"{path}: this file system cannot lock files; choose a folder on a local disk") from error
    try:
        yield
    finally:
        lock.release()
