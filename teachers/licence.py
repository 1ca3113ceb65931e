"""The terms of a teacher's weights. They hold for every candidate made from them, so they travel with each."""

from teachers.spec import Frozen


class Licence(Frozen):
    """Under which terms the weights may be used, and who published them."""

    name: str
    source: str
    note: str = ""


LICENCE_FILE = "LICENCE.txt"
"""Beside weights: who reads no metadata sees it."""


def licence_text(licence: Licence) -> str:
    """The text of `LICENCE_FILE`."""
    return (
        f"The weights in this folder come from: {licence.source or 'a source that was not stated'}\n"
        f"Their terms: {licence.name}\n{licence.note}".rstrip()
        + "\n"
    )
