"""The terms of a teacher's weights. They hold for every candidate made from them, so they travel with each."""

from teachers.spec import Frozen


class Licence(Frozen):
    """Under which terms the weights may be used, and who published them."""

    name: str
    source: str
    note: str = ""
