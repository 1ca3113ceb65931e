"""What an error turns into on the command line: one line on standard error and an exit code."""

import errno
from collections.abc import Sequence

from compress.common.progress import LOGGER
from teachers.common.errors import UserError

_CANNOT_WRITE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EBUSY, errno.ELOOP, errno.ENAMETOOLONG, errno.ESTALE,
)  # fmt: skip
"""A full or failing disk, a quota, a limit on file sizes, a folder that was locked in the middle of a run; a file where
a folder should be, a link that leads nowhere, a name that the disk does not take."""


def failure(error: UserError | OSError, arguments: Sequence[str]) -> int:
    """Says what went wrong in one line, and gives the exit code; raises what is an error of the program."""
    if isinstance(error, UserError):
        return say(str(error), 2)
    if error.errno not in _CANNOT_WRITE:
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return say(f"{where}{error.strerror}{goes_on(arguments)}", 1)


def goes_on(arguments: Sequence[str]) -> str:
    """Runs and trainings keep what they finished; the other commands are short and start over."""
    if list(arguments[:2]) == ["teachers", "train"]:
        return "; the last checkpoint, at most about a minute old, is kept, the same command goes on from it"
    kept = "; what was finished is kept, the same command goes on from here"
    return kept if arguments and arguments[0] in ("run", "search") else ""


def say(text: str, code: int) -> int:
    """Tells one line as an error, which a display shows behind `compress: `; gives back the exit code."""
    LOGGER.error("%s", text)
    return code
