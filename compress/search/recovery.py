"""Trials whose process died: they are ended, and their choices are enqueued once more.

Where the study lies in the run folder, a dead worker is known by the lock that it no longer holds, and so is one of the
same folder elsewhere. All others are known by their heartbeat: by the clock of a database, or by a count that stands
still while this process looks. Clocks of two machines are never compared.
"""

import time
from dataclasses import dataclass

from compress.search.call import SearchPaths, lock_token
from compress.search.history import Notes, TrialEntry, lost
from compress.search.study import SearchStudy

MOST_RETRIES = 5
"""A trial that ends its process so often, by using up the memory for instance, is given up."""


class Recovery:
    """What one worker has seen of the others."""

    def __init__(self, study: SearchStudy, places: SearchPaths, heartbeat_s: int) -> None:
        self._study, self._places = study, places
        self._heartbeat_s = heartbeat_s
        self._silent: dict[int, Silence] = {}

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
        if worker is None and self._study.own:
            # Its process died between taking it and saying so. No other process can come in between: the lock is held.
            return True
        if worker is not None and (self._study.own or worker.startswith(lock_token(self._places.out))):
            return self._places.is_dead(worker)
        if worker is not None and self._study.beats_itself:
            return False  # the database would have told
        before = self._silent.get(entry.number)
        if before is None or before.beat != entry.beat:
            self._silent[entry.number] = Silence(entry.beat, time.monotonic())
            return False
        return before.looked(self._heartbeat_s) > 2 * self._heartbeat_s


@dataclass
class Silence:
    """For how long a trial's count has stood still in front of this process."""

    beat: int
    last_s: float
    total_s: float = 0.0

    def looked(self, most_s: float) -> float:
        """Adds the time since the last look, `most_s` at most: a process that slept itself has seen nothing."""
        now = time.monotonic()
        self.total_s += min(now - self.last_s, most_s)
        self.last_s = now
        return self.total_s
