"""Where a study is kept: URLs whose passwords are never shown."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from teachers.common.errors import UserError

STUDY_FILE = "study.sqlite3"
_KINDS = ("sqlite", "postgresql", "mysql", "journal")
_PASSWORD = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^/\s:@]*:)(?P<secret>.*)@", re.DOTALL)
_IN_QUERY = re.compile(r"(?P<before>[?&](?:password|passwd|pwd|sslpassword)=)(?P<secret>[^&\s]*)", re.IGNORECASE)


def hidden(url: str) -> str:
    """The URL as it may be shown: *** in place of a password."""
    return _IN_QUERY.sub(r"\g<before>***", _PASSWORD.sub(r"\g<before>***@", url))


def without_secrets(text: str, url: str) -> str:
    """A message, also of another library, without the URL's password in any spelling."""
    found = [match["secret"] for pattern in (_PASSWORD, _IN_QUERY) for match in pattern.finditer(url)]
    for secret in sorted({spelt for one in found for spelt in (one, unquote(one)) if spelt}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return hidden(text)


def checked(url: str | None, out: Path) -> str:
    """The URL with its driver; the run folder's own SQLite file if none is given. UserError for what cannot be one."""
    if url is None:
        return f"sqlite:///{own_file(out)}"
    kind, colon, _ = url.partition(":")
    name = kind.partition("+")[0]
    if not colon or name not in _KINDS:
        raise UserError(
            f"--storage: expected sqlite:///FILE, postgresql://USER@HOST/DATABASE or journal:FILE, got {hidden(url)!r}"
        )
    if name == "journal":
        return url
    try:
        there = urlsplit(url)
        complete = there.port is None or there.port > 0
    except ValueError:
        complete = False
    if not complete or not url.startswith(f"{kind}://"):
        raise UserError(f"--storage: {hidden(url)!r} is no URL of a database")
    # SQLAlchemy's own choice of a driver differs between its versions.
    return "postgresql+psycopg" + url.removeprefix("postgresql") if kind == "postgresql" else url


def own_file(out: Path) -> Path:
    """The study's file in the run folder, where no storage is given."""
    return (out / STUDY_FILE).resolve()


def beats_itself(url: str) -> bool:
    """Whether the storage keeps the time of heartbeats by its own clock; files have none."""
    return not url.startswith(("sqlite", "journal:"))
