"""The journal of a run: each measured fact is one line, flushed to disk at once, so a kill costs one fact at most.

A fact is stored under a key that hashes everything it depends on. A later call with the same key finds it; with
another key it does not, so nothing measured under other conditions is ever mixed in.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from teachers.common.files import append_line


def fact_key(*parts: Any) -> str:
    """16 hexadecimal digits that stand for these JSON-able values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class FactCache:
    """Facts by key, in the order in which they were added.

    Several processes may measure into one folder, each with a journal of its own there that the others read: so no
    line is ever written by two, on whatever file system. What one key has is always taken from one file as a whole.
    """

    def __init__(self, path: Path, beside: str | None = None) -> None:
        """beside: a pattern of further journals in the same folder, which are read and never written."""
        self._path, self._beside = path, beside
        self._facts: dict[Path, dict[str, list[Any]]] = {}
        self._read_to: dict[Path, int] = {}
        self.refresh()

    def refresh(self) -> None:
        """Reads what others have noted since."""
        others = sorted(self._path.parent.glob(self._beside)) if self._beside else []
        for path in (self._path, *(other for other in others if other != self._path)):
            self._read_file(path)

    def _read_file(self, path: Path) -> None:
        if not path.exists():
            return
        start = self._read_to.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            text = file.read()
        # Of another's journal the last line may be on its way; our own is whole, or was cut short by a kill.
        end = len(text) if path == self._path else text.rfind(b"\n") + 1
        self._read_to[path] = start + end
        for line in text[:end].decode("utf-8", errors="replace").splitlines():
            self._read(path, line)

    def _read(self, path: Path, line: str) -> None:
        try:
            entry = json.loads(line)
            key, fact = entry["key"], entry["fact"]
        except (ValueError, KeyError, TypeError):
            return  # cut short by a kill: that fact is measured again
        self._facts.setdefault(path, {}).setdefault(key, []).append(fact)

    def facts(self, key: str) -> list[Any]:
        """What was noted under this key so far."""
        longest: list[Any] = []
        for facts in self._facts.values():
            if len(facts.get(key, [])) > len(longest):
                longest = facts[key]
        return list(longest)

    def add(self, key: str, fact: Any) -> None:
        """Notes a fact, on disk before this returns; what another journal began is taken over first."""
        ours = len(self._facts.get(self._path, {}).get(key, []))
        for one in (*self.facts(key)[ours:], fact):
            append_line(self._path, json.dumps({"key": key, "fact": one}, sort_keys=True))
            # Read back as it will be after a restart, so that a continued run computes from the very same numbers.
            self._read(self._path, json.dumps({"key": key, "fact": one}))
        self._read_to[self._path] = self._path.stat().st_size
