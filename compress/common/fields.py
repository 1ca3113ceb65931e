"""Types of settings that several packages share."""

from typing import Annotated

from pydantic import Field

Text = Annotated[str, Field(min_length=1, max_length=4096)]

Scale = Annotated[
    float,
    Field(gt=0, le=8, allow_inf_nan=False, description="Network input height over 368; time grows with its square."),
]
