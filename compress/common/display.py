"""What is shown of the log `compress`: bars and lines on standard error, and a file. rich is imported here only.

The command line attaches both (`--log-level`, `--log-file`). `compress.show_progress()` attaches the display.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from compress.common.progress import LOGGER, Progress
from teachers.common.errors import UserError

LEVELS = ("debug", "info", "warning", "error")
_FILE_FORMAT = "%(asctime)s %(levelname)s %(process)d %(message)s"


class Display(logging.Handler):
    """Shows the log on standard error: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, level: int = logging.INFO) -> None:
        # Steps of a bar are told at DEBUG, so the handler takes them all and filters lines itself.
        super().__init__(logging.DEBUG)
        self.lines_from = level
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        progress: Progress | None = getattr(record, "progress", None)
        if progress is not None and self._console.is_terminal and self.lines_from <= logging.INFO:
            self._draw(progress)
        elif (progress is None or progress.line) and record.levelno >= self.lines_from:
            self._print(record)

    def close(self) -> None:
        """Takes the bars away; see `logging.Handler`."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        super().close()

    def _print(self, record: logging.LogRecord) -> None:
        prefix = "compress: " if record.levelno >= logging.ERROR else ""
        prefix = "warning: " if record.levelno == logging.WARNING else prefix
        style = "yellow" if record.levelno == logging.WARNING else None
        self._console.print(f"{prefix}{record.getMessage()}", markup=False, style=style)

    def _draw(self, progress: Progress) -> None:
        if progress.ended:
            self._take_away(progress)
            return
        if self._bars is None:
            self._bars = Bars(*_columns(), console=self._console)
            self._bars.start()
        if progress.title not in self._tasks:
            self._tasks[progress.title] = self._bars.add_task(
                progress.title, total=progress.total, detail="", unit=progress.unit
            )
        self._bars.update(
            self._tasks[progress.title], completed=progress.done, total=progress.total, detail=progress.detail
        )

    def _take_away(self, progress: Progress) -> None:
        """The last bar stays on the terminal as a line, as it was when its work ended."""
        self._tasks.pop(progress.title, None)
        if not self._tasks and self._bars is not None:
            self._bars.stop()
            self._bars = None


class _Count(ProgressColumn):
    """Items done of all, bytes done of all, or nothing where neither is known."""

    def render(self, task: Task) -> Text:
        """See `ProgressColumn`."""
        if task.fields["unit"] == "wait":
            return Text("")
        in_words = decimal if task.fields["unit"] == "bytes" else str
        total = "?" if task.total is None else in_words(int(task.total))
        return Text(f"{in_words(int(task.completed))}/{total}")


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        _Count(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )


@dataclass(frozen=True)
class Shown:
    """What of the log is shown and kept: a further process shows and keeps the same."""

    level: str = "info"
    file: Path | None = None


def currently_shown() -> Shown | None:
    """What `shown` attached in this process; None outside it."""
    display = next((one for one in LOGGER.handlers if isinstance(one, Display)), None)
    if display is None:
        return None
    file = next((Path(one.baseFilename) for one in LOGGER.handlers if isinstance(one, logging.FileHandler)), None)
    return Shown(logging.getLevelName(display.lines_from).lower(), file)


@contextmanager
def shown(what: Shown = Shown()) -> Iterator[None]:
    """While it lasts, the log is shown on standard error from a level on, and appended to a file if there is one.

    Lines of the file begin with time, level and process. UserError where it cannot be written.
    """
    handlers: list[logging.Handler] = [Display(logging.getLevelName(what.level.upper()))]
    if what.file is not None:
        handlers.append(_file_handler(what.file, what.level))
    before = LOGGER.level
    LOGGER.setLevel(logging.DEBUG)
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(before)


def show_progress(level: str = "info") -> None:
    """Shows on standard error, from now on, what the library does: lines from `level` on, and bars on a terminal."""
    if level not in LEVELS:
        raise UserError(f"level: must be one of {', '.join(LEVELS)}, got {level!r}")
    for handler in [one for one in LOGGER.handlers if isinstance(one, Display)]:
        LOGGER.removeHandler(handler)
        handler.close()
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.addHandler(Display(logging.getLevelName(level.upper())))


class _Lines(logging.Filter):
    """Of the steps of long work, those that are worth a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        progress: Progress | None = getattr(record, "progress", None)
        return progress is None or progress.line


def _file_handler(file: Path, level: str) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: the log cannot be written there: {error.strerror}") from error
    handler.setLevel(level.upper())
    handler.setFormatter(logging.Formatter(_FILE_FORMAT))
    handler.addFilter(_Lines())
    return handler
