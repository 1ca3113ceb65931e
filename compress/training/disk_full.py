"""A full disk while something is kept for later trainings: told in one sentence, and nothing that is whole is lost."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from teachers.common.errors import UserError


@contextmanager
def telling_disk_full(folder: Path, kept: str) -> Iterator[None]:
    """UserError in place of an OSError from a full disk or a used-up quota; `kept` says what stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{folder}: the disk is full; {kept}. Free some room, or let COMPRESS_CACHE name a folder on a larger disk"
        ) from error
