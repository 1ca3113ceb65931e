"""Frozen: settings that check themselves on creation and never change."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A record that checks itself when it is made, refuses unknown fields and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
