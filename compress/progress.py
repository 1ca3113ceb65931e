"""Progress of long work: a bar on a terminal, plain lines elsewhere. rich is imported here only."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_T = TypeVar("_T")
_SECONDS_BETWEEN_LINES = 10.0


class Reporter:
    """Says what is going on, on standard error, so that standard output stays for results."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """One line, as it is."""
        self._console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """One line that should be seen."""
        self._console.print(f"warning: {text}", markup=False, style="yellow")

    def wait(self, title: str, work: Callable[[], _T]) -> _T:
        """Runs one piece of work of unknown length, showing that it is under way."""
        if not self._console.is_terminal:
            self.say(title)
            return work()
        with self._console.status(title):
            found = work()
        self.say(title)
        return found

    @contextmanager
    def download(self, title: str) -> Iterator[Callable[[int, int | None], None]]:
        """Yields what a download calls with the bytes done and the bytes in all, where that is known."""
        if not self._console.is_terminal:
            self.say(title)
            yield lambda done, total: None
            return
        with Progress(TextColumn(title, markup=False), BarColumn(), DownloadColumn(), console=self._console) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def track(self, items: Iterable[_T], title: str, total: int, done: int = 0) -> Iterator[_T]:
        """Passes the items on, showing how many of `total` are through; `done` were finished in an earlier call."""
        if self._console.is_terminal:
            yield from self._bar(items, title, total, done)
        else:
            yield from self._lines(items, title, total, done)

    def _bar(self, items: Iterable[_T], title: str, total: int, done: int) -> Iterator[_T]:
        columns = (
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(title, total=total, completed=done)
            for item in items:
                yield item
                bar.advance(task)

    def _lines(self, items: Iterable[_T], title: str, total: int, done: int) -> Iterator[_T]:
        self.say(f"{title}: {done} of {total}")
        last = time.monotonic()
        for item in items:
            yield item
            done += 1
            if done == total or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.say(f"{title}: {done} of {total}")
