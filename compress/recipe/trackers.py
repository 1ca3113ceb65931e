"""How a recipe names its trackers: one name, a list of names, or none."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from compress.tracking import TRACKERS

_DESCRIPTION = "Where else numbers, curves and files go: one name or a list of them. Changes no result."


def _form(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "null" if value is None else "name"


def _as_list(value: Any) -> tuple[str, ...]:
    if value is None or value == "none":
        return ()
    names = (value,) if isinstance(value, str) else tuple(value)
    if len(set(names)) < len(names):
        raise ValueError("must name each tracker once")
    return names


if TYPE_CHECKING:
    TrackerNames = tuple[str, ...]
else:
    _OneName = Literal[("none", *TRACKERS)]
    _Name = Literal[tuple(TRACKERS)]
    TrackerNames = Annotated[
        Annotated[_OneName, Tag("name")] | Annotated[tuple[_Name, ...], Tag("list")] | Annotated[None, Tag("null")],
        Discriminator(_form),
        AfterValidator(_as_list),
        Field(description=_DESCRIPTION),
    ]
