"""Opens the storage of a study: SQLite, a database server, or Optuna's journal."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy.event
import sqlalchemy.exc
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from teachers.common.errors import UserError

_PATIENCE_S = 60
"""For another process's writing."""
_ANSWER_S = 15
_ATTEMPTS = 5


def open_storage(url: str, own_file: Path | None, heartbeat_s: int) -> BaseStorage:
    """Two processes that come to an empty database at once both make its tables; the slower one looks again."""
    for attempt in range(_ATTEMPTS):
        try:
            return _opened(url, own_file, heartbeat_s)
        except sqlalchemy.exc.DBAPIError as error:
            there = any(word in str(error) for word in ("already exists", "UNIQUE constraint", "duplicate key"))
            if not there or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError("the last attempt returns or raises")


def _opened(url: str, own_file: Path | None, heartbeat_s: int) -> BaseStorage:
    # Optuna fills in the version of its tables where a URL says so, with str.format.
    address = url.replace("{", "{{").replace("}", "}}")
    if url.startswith("journal:"):
        path = Path(url.removeprefix("journal:"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path)))
        except OSError as error:
            raise UserError(f"--storage {url}: {error.strerror}") from error
    if address.startswith("sqlite"):
        storage = RDBStorage(*_sqlite(address, own_file))
        sqlalchemy.event.listen(storage.engine, "connect", _quicken)
        storage.engine.dispose()  # what is connected already was not told
        return storage
    engine = {"connect_args": {"connect_timeout": _ANSWER_S}, "pool_pre_ping": True}
    return RDBStorage(address, engine, heartbeat_interval=heartbeat_s, grace_period=2 * heartbeat_s)


def _sqlite(url: str, own_file: Path | None) -> tuple[str, dict[str, Any]]:
    """URL and settings. The folder's own file is opened by its path: a URL gives ?, % and { a meaning of their own."""
    if own_file is None:
        return url, {"connect_args": {"timeout": _PATIENCE_S}}
    return "sqlite:///study", {"creator": lambda: sqlite3.connect(own_file, _PATIENCE_S, check_same_thread=False)}


def _quicken(connection: Any, _: Any) -> None:
    """A trial is some twenty small writes, each of which would wait for the disk twice. With the log written ahead a
    process that is killed loses none of them, and a power cut at most the last ones."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
