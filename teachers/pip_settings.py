"""Which package index the user's own pip is configured for. Addresses may hold credentials: they are never shown."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTIONS = ("global", "download", "install")
"""Later ones win, as they do for `pip install`."""
_TRUE = ("1", "true", "yes", "y", "on", "t")
_UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "no-index": ("UV_NO_INDEX",),
}


class PullError(Exception):
    """A package file could not be had; `reasons` names each place asked and what was wrong there."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class IndexSettings:
    """Where to ask, in pip's own words. An empty `indexes` means that pip is told not to use any."""

    indexes: tuple[str, ...] = field(repr=False)
    find_links: tuple[str, ...] = field(repr=False)
    proxy: str | None = field(repr=False)
    cert: str | None
    client_cert: str | None
    trusted_hosts: tuple[str, ...]


def read_settings(default_index: str) -> IndexSettings:
    """pip's configuration files of every level, then PIP_* variables; PullError if pip cannot read its files.

    `default_index` is asked where nothing names another.

    An environment without pip (uv makes such) is asked by a pip on the PATH, and UV_* variables are heeded.
    """
    own = [sys.executable, "-P", "-m", "pip"]  # -P: a folder called pip in the working directory is not pip
    values = _configuration_files(own) if sys.executable else None
    uv: dict[str, str] = {}
    if values is None:
        uv = _uv_variables()
        elsewhere = shutil.which("pip")
        values = (_configuration_files([elsewhere]) if elsewhere else None) or {}
    return _settings({"index-url": default_index, **values, **_pip_variables(), **uv})


def _settings(values: Mapping[str, str]) -> IndexSettings:
    indexes = [values["index-url"], *values.get("extra-index-url", "").split()]
    if values.get("no-index", "").lower() in _TRUE:
        indexes = []
    return IndexSettings(
        indexes=tuple(dict.fromkeys(indexes)),
        find_links=tuple(dict.fromkeys(values.get("find-links", "").split())),
        proxy=values.get("proxy") or None,
        cert=values.get("cert") or None,
        client_cert=values.get("client-cert") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
    )


def _configuration_files(pip: list[str]) -> dict[str, str] | None:
    """What `pip config list` says of the files, by option; None if there is no such pip."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            [*pip, "config", "list"], env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
        )
    except FileNotFoundError:
        return None
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise PullError([f"`pip config list` does not answer: {type(error).__name__}"]) from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            return None
        said = without_credentials(" ".join(done.stderr.split()))[:300]
        raise PullError([f"pip cannot read its own configuration: {said}"])
    return _parse(done.stdout)


def _parse(listing: str) -> dict[str, str]:
    """Lines such as `global.index-url='https://...'`; the value is a Python literal, lists hold line breaks."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        key, equals, value = line.partition("=")
        section, _, option = key.strip().partition(".")
        if equals and section in found:
            try:
                found[section][option] = str(ast.literal_eval(value.strip()))
            except (ValueError, SyntaxError):
                continue
    return {option: value for section in _SECTIONS for option, value in found[section].items() if value}


def _pip_variables() -> dict[str, str]:
    """`PIP_EXTRA_INDEX_URL` is the option `extra-index-url`; pip ignores empty ones."""
    prefix = "PIP_"
    return {
        name.removeprefix(prefix).lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith(prefix) and value
    }


def _uv_variables() -> dict[str, str]:
    """uv's words for the same; its indexes may carry a name (`name=https://...`), its find-links commas."""
    found: dict[str, str] = {}
    for option, names in _UV_NAMES.items():
        value = " ".join(os.environ.get(name, "") for name in names).strip()
        if value:
            words = value.replace(",", " ").split()
            bare = [re.sub(r"^[\w.-]+=(?=\w+:)", "", word) for word in words]
            found[option] = bare[0] if option in ("index-url", "no-index") else " ".join(bare)
    return found


def without_credentials(text: str) -> str:
    """The text without what stands between `//` and `@` in an address, and without query strings."""
    return re.sub(r"\?[^\s'\")]*=[^\s'\")]*", "?...", re.sub(r"//\S*@", "//", text))
