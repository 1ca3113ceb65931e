"""Finished trials in an object store, for machines that share no disk. The only door to fsspec."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import fsspec

from compress.common.run_folder import CANDIDATES, TRIALS
from compress.search.call import SearchPaths
from compress.search.storage_url import hidden, without_secrets
from compress.search.trial_evaluator import record_file
from teachers.common.errors import UserError

_FOLDERS = CANDIDATES, TRIALS
"""In this order: a trial whose record is there has everything there."""


class Artefacts:
    """A folder of a store that every machine reaches, by an fsspec URL (s3://, gs://, abfs://, sftp://, file://...)."""

    def __init__(self, url: str) -> None:
        """UserError where the URL's kind is unknown, its driver is missing, or nothing can be written there."""
        self._url = url
        with self._speaking():
            self._store, self._root = fsspec.core.url_to_fs(url)
            self._store.makedirs(self._root, exist_ok=True)

    def put(self, out: Path, name: str) -> None:
        """Copies what the run's folder holds of a finished trial into the store; the record last."""
        for kind, folder in zip(_FOLDERS, _local(out, name), strict=True):
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            for path in sorted(files, key=lambda path: path == record_file(folder)):
                place = PurePosixPath(kind, name, path.relative_to(folder).as_posix())
                with self._speaking():
                    target = f"{self._root}/{place}"
                    self._store.makedirs(target.rpartition("/")[0], exist_ok=True)
                    self._store.put_file(str(path), target)

    def pull(self, out: Path, name: str) -> bool:
        """Fetches a trial that the folder lacks; whether the store had it, whole."""
        candidate, trial = _local(out, name)
        with self._speaking():
            if not self._store.exists(f"{self._root}/{TRIALS}/{name}/{record_file(trial).name}"):
                return False
            for kind, folder in zip(_FOLDERS, (candidate, trial), strict=True):
                self._fetch(f"{self._root}/{kind}/{name}", folder)
        return True

    def _fetch(self, source: str, folder: Path) -> None:
        """Into a folder beside it first: what is cut off leaves nothing that looks finished."""
        if folder.exists() or not self._store.exists(source):
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as made:
            root = str(self._store._strip_protocol(source)).rstrip("/")
            for found in self._store.find(source):
                inside = PurePosixPath(str(found)[len(root) :].lstrip("/"))
                if not str(found).startswith(f"{root}/") or ".." in inside.parts or inside.is_absolute():
                    raise UserError(f"--artefacts {hidden(self._url)}: {found!r} lies outside {source!r}")
                target = Path(made) / "whole" / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                self._store.get_file(found, str(target))
            (Path(made) / "whole").rename(folder)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """A store's error message, in one line and without its password."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # each store's driver has exceptions of its own
            told = without_secrets(" ".join(str(error).split()), self._url)
            raise UserError(f"--artefacts {hidden(self._url)}: {type(error).__name__}: {told}") from error


def _local(out: Path, name: str) -> tuple[Path, Path]:
    return out / CANDIDATES / name, SearchPaths(out).trial(name)
