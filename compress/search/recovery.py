"""Trials whose process died: they are ended, and their choices are enqueued once more.

On this machine a dead worker is known by the lock that it no longer holds, elsewhere by the heartbeat that the database
missed. No clock of ours decides anything.
"""

import time

from compress.search.call import SearchPaths, lock_token
from compress.search.history import Notes, TrialEntry, lost
from compress.search.study import SearchStudy

MOST_RETRIES = 5
"""A trial that ends its process so often, by using up the memory for instance, is given up."""


class Recovery:
    """What one worker has seen of the others."""

    def __init__(self, study: SearchStudy, places: SearchPaths, heartbeat_s: int) -> None:
        self._study, self._places = study, places
        self._patience_s = 2 * heartbeat_s
        self._nameless: dict[int, float] = {}

    def take_up(self) -> None:
        """Ends what dead processes left and enqueues it. Whatever a kill cuts short in here, the next call finds."""
        self._study.fail_stale()
        for entry in self._study.entries():
            if entry.state == "running" and self._is_dead(entry):
                gone = entry.notes.retries >= MOST_RETRIES
                told = f"its process ended {MOST_RETRIES + 1} times without a word: killed, or out of memory"
                self._study.fail(entry.number, told if gone else None)
        for entry in lost(self._study.entries()):
            notes = entry.notes
            again = Notes(
                enqueued_as=notes.enqueued_as,
                left_over=notes.left_over,
                steps=notes.steps,
                rung=notes.rung,
                first=entry.root,
                retry_of=entry.number,
                retries=notes.retries + 1,
            )
            # Before a worker put its name to it, not all may have been chosen: the same seed chooses them again.
            unchosen = notes.worker is None and notes.enqueued_as is None and notes.rung == 0 and not notes.left_over
            self._study.enqueue({} if unchosen else entry.choices, again)

    def _is_dead(self, entry: TrialEntry) -> bool:
        worker = entry.notes.worker
        if worker is None:
            # Its process died between taking it and saying so. Here nobody else is in between: we hold the lock.
            seen = self._nameless.setdefault(entry.number, time.monotonic())
            return self._study.local or time.monotonic() - seen > self._patience_s
        if self._study.local or worker.startswith(lock_token(self._places.out)):
            return self._places.is_dead(worker)
        return False
