"""A large file from the web, gone on with where an earlier call stopped, and checked by its size and hash."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from teachers.common.errors import UserError
from teachers.index_session import TIMEOUT_S, open_session, what_failed
from teachers.pip_settings import read_settings

_CHUNK = 2**20
OnBytes = Callable[[int, int | None], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file as its publisher has it."""

    url: str
    size: int
    md5: str
    """What publishers of data sets state: it tells a damaged file, and is no protection against a forged one."""

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.url.rpartition("/")[2]


def download(file: RemoteFile, folder: Path, on_bytes: OnBytes | None = None) -> Path:
    """The file in `folder`; what is there of it already is not fetched again.

    UserError says what failed and keeps what has arrived, except where that is not the file.
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.is_file():
        _require_whole(path, file)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    done = part.stat().st_size if part.is_file() else 0
    _require_space(folder, file.size - done)
    if done < file.size:
        try:
            _fetch(file, part, done, on_bytes)
        except requests.RequestException as error:
            raise _broken_off(file, part, what_failed(error)) from error
        except HTTPError as error:
            raise _broken_off(file, part, f"the download broke off ({type(error).__name__})") from error
        except OSError as error:
            raise UserError(f"{part}: cannot be written: {error.strerror or error}") from error
    _require_whole(part, file)
    part.replace(path)
    return path


def _fetch(file: RemoteFile, part: Path, done: int, on_bytes: OnBytes | None) -> None:
    session, address = open_session(file.url, read_settings(""))
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with session, session.get(address, stream=True, timeout=TIMEOUT_S, headers=headers) as answer:
        answer.raise_for_status()
        if done and answer.status_code != requests.codes.partial_content:
            done = 0  # this server begins anew
        with part.open("ab" if done else "wb") as into:
            for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                into.write(chunk)
                done += len(chunk)
                if on_bytes is not None:
                    on_bytes(done, file.size)


def _require_whole(path: Path, file: RemoteFile) -> None:
    size = path.stat().st_size
    if size < file.size:
        raise _broken_off(file, path, "the server ended too early")
    with path.open("rb") as whole:
        found = hashlib.file_digest(whole, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if size != file.size or found != file.md5:
        path.unlink()
        raise UserError(
            f"{file.name}: {size:,} bytes with MD5 {found}, its publisher has {file.size:,} with {file.md5}; it was "
            "removed, call again"
        )


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(f"{folder}: {needed / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free")


def _broken_off(file: RemoteFile, part: Path, reason: str) -> UserError:
    there = part.stat().st_size if part.is_file() else 0
    return UserError(
        f"{file.url}: {reason}; {there:,} of {file.size:,} bytes are here, and the same call goes on from there"
    )
