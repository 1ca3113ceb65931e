"""A made-up package index with small made-up packages, for tests of what is pulled and what is refused."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

CONTENT = bytes(range(256)) * 1200  # about 300 kB, hardly smaller when packed in one block
MEMBER = "models/small/graph.pb"
WHEEL, SDIST = "made_up-1.0-py3-none-any.whl", "made_up-1.0.tar.gz"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(name: str = MEMBER, content: bytes = CONTENT, mode: int = 0o100644) -> bytes:
    """A zip with one member beside another; `mode` is the Unix file type and permissions."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("made_up/__init__.py"), "")
        archive.writestr(info, content)
    return buffer.getvalue()


def sdist(change: Callable[[tarfile.TarInfo], None] = lambda info: None, content: bytes = CONTENT) -> bytes:
    """A source distribution whose setup.py would leave a trace; `change` may make the member a hostile one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in (("setup.py", b"raise SystemExit('executed')"), (MEMBER, content)):
            info = tarfile.TarInfo(f"made_up-1.0/{name}")
            info.size = len(data)
            if name == MEMBER:
                change(info)
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return gzip.compress(buffer.getvalue(), mtime=0)


@dataclass
class Answer:
    """What the server says: `length` may lie, `seconds` is slept after the first half of the body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    seconds: float = 0.0


@dataclass
class Index:
    """A web server; unknown paths are 404. `asked` is every path with its Authorization header."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def offer(self, filename: str, body: bytes, digest: str = "", **answer: object) -> None:
        """One project page for `made-up` with one file, in HTML."""
        fragment = f"#sha256={digest}" if digest else ""
        page = f'<a href="../../files/{filename}{fragment}">{filename}</a>'
        self.answers["/simple/made-up/"] = Answer(page.encode(), headers={"Content-Type": "text/html"})
        self.answers[f"/files/{filename}"] = Answer(body, **answer)  # type: ignore[arg-type]

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@contextmanager
def serving() -> Iterator[Index]:
    """A server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append((self.path, self.headers.get("Authorization")))
            answer = index.answers.get(self.path, Answer(status=404))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            half = len(answer.body) // 2
            try:
                self.wfile.write(answer.body[:half])
                time.sleep(answer.seconds)
                self.wfile.write(answer.body[half:])
            except OSError:
                self.close_connection = True  # the client was killed, as the test meant it to be

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index = Index(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trace of this machine's own pip, uv, proxies or certificates."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NETRC", os.devnull)


def write_zoo(path: Path, package: bytes, filename: str, /, **changes: str) -> None:
    """A zoo of one asset, `small`, pinned to these bytes."""
    entry = {
        "kind": "teacher", "description": "made up", "licence": "MIT", "source": "https://example.org",
        "package": "made-up", "version": "1.0", "filename": filename, "sha256": sha256(package),
        "member": MEMBER, "member_sha256": sha256(CONTENT), **changes,
    }  # fmt: skip
    path.write_text(yaml.safe_dump({"small": entry}), encoding="utf-8")
