"""A list of image files as a source of frames: a folder, one file, or the files that a COCO file names."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from eval.frame_pixels import SUFFIXES, BrokenImage, image_size, read_image
from eval.frame_types import Frame, Unreadable
from teachers.common.errors import UserError
from teachers.common.files import printable, sha256_of


@dataclass(frozen=True)
class ImageFiles:
    """Image files below one folder; `files` are relative to it, each once."""

    name: str
    folder: Path
    files: tuple[PurePosixPath, ...]
    contradiction: Callable[[PurePosixPath, tuple[int, int]], str | None] = lambda file, size: None
    """Why a file of this width and height cannot be the one that was meant; None where nothing speaks against it."""

    def names(self) -> list[str]:
        """The files' paths without suffix; files that differ in the suffix alone keep it."""
        bare = [printable(str(file.with_suffix(""))) for file in self.files]
        times = Counter(bare)
        return [name if times[name] == 1 else printable(str(file)) for name, file in zip(bare, self.files, strict=True)]

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | Unreadable]]:
        """One decoded file at a time."""
        names = self.names()
        for index in indices:
            try:
                image = read_image(self.folder / self.files[index])
            except BrokenImage as error:
                yield index, Unreadable(names[index], str(error))
                continue
            wrong = self.contradiction(self.files[index], (image.shape[1], image.shape[0]))
            yield index, Frame(names[index], image) if wrong is None else Unreadable(names[index], wrong)

    def contradictions(self, most: int) -> list[tuple[str, str]]:
        """(file, why) of those that are here and are not what was meant; at most so many, evenly spread, are opened."""
        found = []
        for file in self.files[:: max(1, -(-len(self.files) // most))]:
            size = image_size(self.folder / file)
            wrong = None if size is None else self.contradiction(file, size)
            if wrong is not None:
                found.append((printable(str(file)), wrong))
        return found

    def screen(self, order: Iterable[int]) -> Iterator[int | Unreadable]:
        """Decodes each file in full, as far as the caller asks: a cut file is only found out at its end."""
        for index in order:
            for _, frame in self.read([index]):
                yield frame if isinstance(frame, Unreadable) else index

    def fingerprint(self, index: int) -> str:
        """SHA-256 of the file."""
        return sha256_of(self.folder / self.files[index])


def open_folder(folder: Path) -> ImageFiles:
    """The images that lie directly in the folder, sorted by name. Raises UserError when there is none."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    files = tuple(PurePosixPath(entry.name) for entry in entries if _is_image(entry))
    if not files:
        raise UserError(f"{folder}: no image in this folder (looked for {' '.join(SUFFIXES)}); {_instead(entries)}")
    return ImageFiles(folder.resolve().name, folder, files)


def open_image(file: Path) -> ImageFiles:
    """A single image."""
    return ImageFiles(file.name, file.parent, (PurePosixPath(file.name),))


def _is_image(entry: Path) -> bool:
    # A broken link is kept: it is named in the report as a file that could not be read.
    return entry.suffix.lower() in SUFFIXES and not entry.is_dir()


def _instead(entries: Sequence[Path]) -> str:
    folders = [entry.name for entry in entries if entry.is_dir() and any(_is_image(inner) for inner in _inside(entry))]
    if folders:
        return f"images lie in its subfolder {folders[0]}: give that one"
    kinds = Counter(entry.suffix or "without suffix" for entry in entries if not entry.is_dir())
    found = ", ".join(f"{times} {kind}" for kind, times in kinds.most_common(4))
    return f"found: {found or 'nothing'}. Give a folder of images, a video or a COCO .json file"


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
