"""Progress of long work: a bar on a terminal, plain lines elsewhere. rich is imported here only."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    def __init__(self, quiet: bool = False) -> None:
        """quiet: says nothing, as all but one of several processes that do the same work."""
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)

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

    def track(
        self, items: Iterable[_T], title: str, total: int, done: int = 0, detail: Callable[[], str] | None = None
    ) -> Iterator[_T]:
        """Passes the items on, showing how many of `total` are through; `done` were finished in an earlier call.

        detail: what else to show beside the count, asked for whenever it is shown.
        """
        work = _Work(title, total, done, detail or (lambda: ""))
        yield from self._bar(items, work) if self._console.is_terminal else self._lines(items, work)

    def _bar(self, items: Iterable[_T], work: "_Work") -> Iterator[_T]:
        columns = (
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(work.title, total=work.total, completed=work.done, detail=work.detail())
            for item in items:
                yield item
                bar.update(task, advance=1, detail=work.detail())

    def _lines(self, items: Iterable[_T], work: "_Work") -> Iterator[_T]:
        self.say(f"{work.title}: {work.done} of {work.total}")
        started = last = time.monotonic()
        for done, item in enumerate(items, work.done + 1):
            yield item
            now = time.monotonic()
            if done == work.total or now - last > _SECONDS_BETWEEN_LINES:
                last = now
                detail = work.detail()
                left = (now - started) / (done - work.done) * (work.total - done)
                told = f", {detail}, {_duration(left)} left" if detail else ""
                self.say(f"{work.title}: {done} of {work.total}{told}")


@dataclass(frozen=True)
class _Work:
    title: str
    total: int
    done: int
    detail: Callable[[], str]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
