"""When each frame of a video is shown: true time stamps from the container, and what was wrong with them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

JUMP_S = 1.0
"""A step back further than this is a clock that was set anew (joined recordings); a smaller one is a doubled frame."""

UNEVEN = 0.1

SLACK_S = 0.5


def earliest(starts: Iterable[tuple[int | None, Fraction | None]]) -> Fraction:
    """When the first stream starts, from each one's start and time base: that is a player's time zero.

    The container's own start time says the same, but rounded to microseconds.
    """
    return min((start * base for start, base in starts if start is not None and base), default=Fraction(0))


@dataclass(frozen=True)
class Timing:
    """The frame intervals as they were met; None as long as there are too few frames."""

    frames: int
    measured_fps: float | None
    dt_min_s: float | None
    dt_max_s: float | None

    @property
    def variable(self) -> bool:
        """Whether the longest and the shortest interval differ by more than 10% of the mean one."""
        if self.measured_fps is None or self.dt_min_s is None or self.dt_max_s is None:
            return False
        return (self.dt_max_s - self.dt_min_s) * self.measured_fps > UNEVEN


COARSE = 0.01
"""From this share of a frame's duration on, a container's time base blurs its stamps (.mkv: whole milliseconds)."""


class Clock:
    """Makes rising times in seconds from the stated ones; constant memory.

    Where the container rounds its stamps coarsely, a stamp within one unit of the even grid of the declared rate is put
    on it: 33, 67, 100 ms at 30 a second were 33.3, 66.7, 100. No time moves by more than the container's own rounding.
    """

    def __init__(self, fps: float, time_base_s: float = 0.0) -> None:
        """`time_base_s`: the unit of the container's stamps."""
        self._fps = fps
        self._unit_s = time_base_s if COARSE / fps < time_base_s < 0.5 / fps else 0.0
        self._origin: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._shift = 0.0
        self._frames = self._missing = self._doubled = self._jumps = 0
        self._dt_min = math.inf
        self._dt_max = 0.0

    @property
    def last(self) -> float | None:
        """The time of the newest frame."""
        return self._last

    def stamp(self, stated_s: float | None) -> float | None:
        """The time of the next frame in seconds; None when another frame already has this time."""
        time_s = self._missing_time() if stated_s is None else self._unrounded(stated_s + self._shift)
        if self._last is not None and time_s <= self._last:
            if self._last - time_s <= JUMP_S:
                self._doubled += 1
                return None
            self._jumps += 1
            self._shift += self._last + 1 / self._fps - time_s
            time_s = self._last + 1 / self._fps
        self._take(time_s)
        return time_s

    def timing(self) -> Timing:
        """What was met so far."""
        if self._first is None or self._last is None or self._frames < 2:
            return Timing(self._frames, None, None, None)
        fps = (self._frames - 1) / (self._last - self._first)
        return Timing(self._frames, fps, self._dt_min, self._dt_max)

    def problems(self) -> list[str]:
        """Sentences for people; empty when the file's time stamps were good."""
        found = []
        if self._missing:
            found.append(f"frames without a time stamp: {self._missing}, taken to follow at {self._fps:g} a second")
        if self._doubled:
            found.append(f"frames left out because their time stamp does not rise: {self._doubled}")
        if self._jumps:
            found.append(f"jumps back of the time stamps: {self._jumps}, the pieces were put one after another")
        return found

    def _unrounded(self, time_s: float) -> float:
        if not self._unit_s:
            return time_s
        self._origin = time_s if self._origin is None else self._origin
        on_grid = self._origin + round((time_s - self._origin) * self._fps) / self._fps
        return on_grid if abs(on_grid - time_s) <= self._unit_s * (1 + 1e-6) else time_s

    def _missing_time(self) -> float:
        self._missing += 1
        return 0.0 if self._last is None else self._last + 1 / self._fps

    def _take(self, time_s: float) -> None:
        if self._last is not None:
            self._dt_min = min(self._dt_min, time_s - self._last)
            self._dt_max = max(self._dt_max, time_s - self._last)
        self._first = time_s if self._first is None else self._first
        self._last = time_s
        self._frames += 1


class Losses:
    """Counts the frames that a decoder could not give, and tells them in one sentence per stretch."""

    def __init__(self) -> None:
        self._count = 0
        self._span: list[float] = []

    def add(self, times_s: Sequence[float | None]) -> None:
        """More frames are lost; their times where the file states them."""
        self._count += len(times_s)
        known = [*self._span, *(time_s for time_s in times_s if time_s is not None)]
        self._span = [min(known), max(known)] if known else []

    def close(self) -> list[str]:
        """The sentence on the stretch that has ended, and forgets it."""
        if not self._count:
            return []
        where = f" ({self._span[0]:.3f} s to {self._span[1]:.3f} s)" if self._span else ""
        told = f"damaged frames left out: {self._count}{where}"
        self._count, self._span = 0, []
        return [told]


@dataclass(frozen=True)
class Announced:
    """What the file's head promises; zero where it is silent."""

    frames: int
    duration_s: float

    def missing(self, frames: int, last_s: float | None) -> list[str]:
        """A sentence if the file holds fewer frames, or its last one lies well before the announced end."""
        if frames < self.frames:
            return [f"ends early: the file announces {self.frames} frames and holds {frames}"]
        if not self.frames and last_s is not None and last_s + SLACK_S < self.duration_s:
            return [f"ends early: the file announces {self.duration_s:.3f} s, its last frame is at {last_s:.3f} s"]
        return []


class Ticks:
    """Times to write, as whole ticks that must rise."""

    def __init__(self, per_s: int, fps: float) -> None:
        self._per_s = per_s
        self.last: int | None = None
        self.last_interval = round(per_s / fps)
        """How long the last frame is to be shown: as long as the one before it."""

    def take(self, time_s: float) -> int:
        """The tick nearest to the time. Raises ValueError when it does not lie after the last one."""
        tick = round(time_s * self._per_s)
        if tick < 0 or (self.last is not None and tick <= self.last):
            raise ValueError(f"times must rise from 0 by 1/{self._per_s} s or more, got {time_s}")
        if self.last is not None:
            self.last_interval = tick - self.last
        self.last = tick
        return tick
