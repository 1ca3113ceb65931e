"""A real PostgreSQL of one's own for some tests, from the programs that Debian's packages install."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The newest version's folder; None where there is none, or nobody whom it would run as."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found or (os.getuid() == 0 and "postgres" not in {one.pw_name for one in pwd.getpwall()}):
        return None
    return found[-1].parent


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database on a server that ends with the block."""
    where = programs()
    assert where is not None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # The server refuses to run as root.
    person = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if person:
        shutil.chown(folder, "postgres", "postgres")

    def run(*words: str) -> None:
        subprocess.run(words, check=True, cwd=folder, capture_output=True, timeout=60, **person)  # type: ignore[call-overload]

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    data = str(folder / "data")
    try:
        run(str(where / "initdb"), "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8")
        run(str(where / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://tester:not-a-secret@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [str(where / "pg_ctl"), "-D", data, "-m", "immediate", "stop"],
            check=False, cwd=folder, capture_output=True, timeout=60, **person,
        )  # fmt: skip # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
