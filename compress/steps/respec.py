"""A spec with some of its parts changed, checked again as a whole."""

from typing import Any

from pydantic import ValidationError

from compress.steps.base import SettingError
from teachers.spec import PoseNetSpec


def changed(spec: PoseNetSpec, field: str, **parts: Any) -> PoseNetSpec:
    """The spec with these parts; SettingError about `field` where they do not fit the rest."""
    try:
        return PoseNetSpec(**{**dict(spec), **parts})
    except ValidationError as error:
        raise SettingError(field, str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
