"""Paths as they are typed."""

from argparse import ArgumentTypeError
from pathlib import Path

_DEEPEST = 255


def a_path(text: str) -> Path:
    """The path of an argument, for argparse; one that nothing can lie at is refused with the argument's name."""
    path = Path(text)
    if not text or "\0" in text:
        raise ArgumentTypeError(f"{text!r} is no path")
    if len(path.parts) > _DEEPEST:
        raise ArgumentTypeError(f"{len(path.parts)} folders, one in the other, are too many; at most {_DEEPEST}")
    try:
        path.resolve()
    except RuntimeError as error:
        raise ArgumentTypeError(f"{text} is a link that leads to itself") from error
    except OSError:
        pass  # told with the file when it is opened
    return path
