"""One tracker's own thread: losing the tracker never loses a run, and waiting for it never delays one.

Whatever a tracker raises becomes one warning, after which this call does without it. What it has taken in is noted, so
that a later call tells it the rest and nothing twice.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from compress.common.progress import Reporter
from compress.tracking.base import Tracker, TrackerOffError, TrackerPlace
from teachers.common.errors import UserError
from teachers.common.files import append_line

LOGGED = "logged.txt"
PATIENCE_S = 330.0
"""How long the end of a run waits for a tracker; wandb itself gives up uploading after 300."""
# A tracker may also try to end the process: wandb calls sys.exit where its service ended badly.
_ANYTHING = (Exception, SystemExit)

Tell = Callable[[Tracker], None]


class TrackerThread:
    """Takes in what the tracker is to be told, and returns at once."""

    def __init__(self, name: str, make: Callable[[TrackerPlace], Tracker], place: TrackerPlace) -> None:
        self._name, self._make, self._place = name, make, place
        self._tracker: Tracker | None = None
        self._queue: SimpleQueue[tuple[str, str, Tell] | bool] = SimpleQueue()
        self._lost = threading.Event()
        # A daemon: one that hangs does not keep the program from ending.
        self._thread = threading.Thread(target=self._live, name=f"tracking-{name}", daemon=True)
        self._thread.start()

    def put(self, subject: str, content: str, tell: Tell) -> None:
        """Told unless the last thing told about this subject, by this call or an earlier one, had the same content.

        subject: words on one line, of which the first is the kind; content: a hash, or empty.
        """
        if not self._lost.is_set():
            self._queue.put((subject, content, tell))

    def finish(self, ok: bool) -> None:
        """Waits until the tracker has taken in everything, or `PATIENCE_S` seconds."""
        self._queue.put(ok)
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._lose("the end", TimeoutError(f"not done after {PATIENCE_S:g} seconds"))

    def _live(self) -> None:
        doing = "the start"
        try:
            self._place.folder.mkdir(parents=True, exist_ok=True)
            told = _Told(self._place.folder / LOGGED)
            self._tracker = self._make(self._place)
            while not isinstance(item := self._queue.get(), bool):
                subject, content, tell = item
                doing = subject.split()[0]
                if told.last.get(subject) != content:
                    tell(self._tracker)
                    told.note(subject, content)
            doing = "the end"
            self._tracker.finish(item)
        except TrackerOffError as error:
            self._lost.set()
            self._place.reporter.say(f"tracking: {error}")
            with suppress(OSError):
                self._place.folder.rmdir()  # made for it, and empty
        except _ANYTHING as error:
            self._lose(doing, error)

    def _lose(self, doing: str, error: BaseException) -> None:
        if self._lost.is_set():
            return
        self._lost.set()
        warn(self._place.reporter, f"{self._name} was lost at {doing} ({_in_words(error)})")
        if self._tracker is not None:
            with suppress(*_ANYTHING):
                self._tracker.abandon()


def warn(reporter: Reporter, text: str) -> None:
    """One line: the run goes on without it."""
    reporter.warn(f"tracking: {text}; the run goes on, and the same command tells the rest later")


def _in_words(error: BaseException) -> str:
    first = next(iter(str(error).splitlines()), "")
    return first if isinstance(error, UserError) else f"{type(error).__name__}: {first}".rstrip(": ")


class _Told:
    """What a tracker has taken in, noted on disk before it is told the next thing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last: dict[str, str] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                subject, tab, content = line.partition("\t")
                if tab:  # else cut short by a kill
                    self.last[subject] = content

    def note(self, subject: str, content: str) -> None:
        append_line(self._path, f"{subject}\t{content}")
        self.last[subject] = content
