"""Reporter: what library code tells while it works. All of it goes to the logger `compress`; nothing is printed here.

A line is an ordinary log record. A step of long work is a record that carries a `Progress`: a display shows it as a bar
(common/display.py), other handlers see a line every few seconds.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

_T = TypeVar("_T")
SECONDS_BETWEEN_LINES = 10.0
LOGGER = logging.getLogger("compress")
LOGGER.addHandler(logging.NullHandler())  # the importing program chooses what is shown


@dataclass(frozen=True)
class Progress:
    """How far one piece of work is. Carried by a log record as its attribute `progress`."""

    title: str
    unit: Literal["items", "bytes", "wait"]
    done: int
    total: int | None
    """None where it is not known."""
    detail: str = ""
    """What else is worth seeing, for instance the loss of a training."""
    line: bool = False
    """Whether a handler that shows no bars should print this step."""
    ended: bool = False
    """The work is over, finished or not: a bar goes away."""


class Reporter:
    """Tells the logger `compress` what is going on."""

    def __init__(self, quiet: bool = False) -> None:
        """quiet: tells nothing, as all but one of several processes that do the same work."""
        self._quiet = quiet

    def say(self, text: str) -> None:
        """One line, as it is."""
        self._log(logging.INFO, text)

    def warn(self, text: str) -> None:
        """One line that should be seen."""
        self._log(logging.WARNING, text)

    def wait(self, title: str, work: Callable[[], _T]) -> _T:
        """Runs one piece of work of unknown length, showing that it is under way."""
        self._tell(Progress(title, "wait", 0, None, line=True), title)
        try:
            return work()
        finally:
            self._tell(Progress(title, "wait", 1, None, ended=True), title)

    @contextmanager
    def download(self, title: str) -> Iterator[Callable[[int, int | None], None]]:
        """Yields what a download calls with the bytes done and the bytes in all, where that is known."""
        self._tell(Progress(title, "bytes", 0, None, line=True), title)
        try:
            yield lambda done, total: self._tell(Progress(title, "bytes", done, total), title)
        finally:
            self._tell(Progress(title, "bytes", 0, None, ended=True), title)

    def track(
        self, items: Iterable[_T], title: str, total: int, done: int = 0, detail: Callable[[], str] | None = None
    ) -> Iterator[_T]:
        """Passes the items on, telling how many of `total` are through; `done` were finished in an earlier call.

        detail: what else to show beside the count, asked for after each item.
        """
        told = detail or (lambda: "")
        first = done
        started = last = time.monotonic()
        self._tell(Progress(title, "items", done, total, told(), line=True), f"{title}: {done} of {total}")
        try:
            for item in items:
                yield item
                done += 1
                now = time.monotonic()
                line = done == total or now - last > SECONDS_BETWEEN_LINES
                last = now if line else last
                shown = told()
                left = (now - started) / (done - first) * (total - done)
                more = f", {shown}, {_duration(left)} left" if shown else ""
                self._tell(Progress(title, "items", done, total, shown, line=line), f"{title}: {done} of {total}{more}")
        finally:
            self._tell(Progress(title, "items", done, total, told(), ended=True), title)

    def _tell(self, progress: Progress, text: str) -> None:
        self._log(logging.INFO if progress.line else logging.DEBUG, text, progress)

    def _log(self, level: int, text: str, progress: Progress | None = None) -> None:
        if not self._quiet and LOGGER.isEnabledFor(level):
            LOGGER.log(level, "%s", text, extra={"progress": progress} if progress else None)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
