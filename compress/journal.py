"""The journal of a run: each measured fact is one line, flushed to disk at once, so a kill costs one fact at most.

A fact is stored under a key that hashes everything it depends on. A later call with the same key finds it; with
another key it does not, so nothing measured under other conditions is ever mixed in.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from teachers.files import append_line


def fact_key(*parts: Any) -> str:
    """16 hexadecimal digits that stand for these JSON-able values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Journal:
    """Facts by key, in the order in which they were added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: dict[str, list[Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            key, fact = entry["key"], entry["fact"]
        except (ValueError, KeyError, TypeError):
            return  # cut short by a kill: that fact is measured again
        self._facts.setdefault(key, []).append(fact)

    def facts(self, key: str) -> list[Any]:
        """What was noted under this key so far."""
        return list(self._facts.get(key, []))

    def add(self, key: str, fact: Any) -> None:
        """Notes a fact, on disk before this returns."""
        append_line(self._path, json.dumps({"key": key, "fact": fact}, sort_keys=True))
        # Read back as it will be after a restart, so that a continued run computes from the very same numbers.
        self._read(json.dumps({"key": key, "fact": fact}))
