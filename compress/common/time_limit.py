"""--time-limit: when a call begins nothing new and ends what it can continue later."""

import argparse
import re
import time
from dataclasses import dataclass, field

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


class TimeIsUp(Exception):  # noqa: N818 - says what it is, and is no error
    """The limit has passed. What was done is kept, and the same call goes on from there."""


@dataclass(frozen=True)
class TimeLimit:
    """Counted from when it was made; without seconds it never passes."""

    seconds: float | None = None
    begun: float = field(default_factory=time.monotonic)

    def over(self) -> bool:
        """Whether it has passed."""
        return self.seconds is not None and time.monotonic() - self.begun >= self.seconds


def duration(text: str) -> float:
    """`2h`, `1h30m`, `45m`, `90s` or `90` as seconds. ArgumentTypeError for anything else."""
    found = _DURATION.fullmatch(text.strip().lower())
    if not text.strip() or found is None:
        raise argparse.ArgumentTypeError(f"expected a time as 2h, 1h30m, 45m or 90s, got {text!r}")
    return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS.values(), strict=True) if part)
