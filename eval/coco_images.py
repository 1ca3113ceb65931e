"""The images that a COCO file names, as a source of frames. Labels are read elsewhere (eval/coco.py)."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from eval.frame_folder import ImageFiles
from teachers.common.errors import UserError

LOOKED_AT = 25
"""So many files decide in which folder the images lie."""


def open_coco(path: Path) -> ImageFiles:
    """The files of `images[].file_name`, in the file's order, each once.

    They lie in the JSON's folder, in a folder beside it, or, as in COCO's own layout, beside `annotations/`; the folder
    that holds the most of them is taken. Raises UserError on anything that is no COCO file.
    """
    files = _file_names(path, _load(path))
    folder = max(_folders(path), key=lambda folder: sum((folder / file).is_file() for file in files[:LOOKED_AT]))
    return ImageFiles(path.name, folder, files)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: is no JSON: {error.msg} (column {error.colno})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a COCO file is an object with an `images` list, this is a {type(content).__name__}")
    return content


def _file_names(path: Path, content: dict[str, Any]) -> tuple[PurePosixPath, ...]:
    images = content.get("images")
    if not isinstance(images, list):
        raise UserError(
            f"{path}: no COCO file: it has no `images` list; its keys: {', '.join(map(str, content)) or '-'}"
        )
    if not images:
        raise UserError(f"{path}: its `images` list is empty")
    files: dict[PurePosixPath, None] = {}
    for number, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name or "\0" in name:
            raise UserError(f"{path}: images[{number}] has no usable `file_name`, found {name!r}")
        file = PurePosixPath(name.replace("\\", "/"))
        if not file.parts or file.is_absolute() or ".." in file.parts or ":" in file.parts[0]:
            raise UserError(f"{path}: images[{number}].file_name must lie below the file's folder, found {name!r}")
        files[file] = None
    return tuple(files)


def _folders(path: Path) -> Iterator[Path]:
    """Where the images may lie, the likeliest first: the first of equals is taken."""
    here = path.resolve().parent
    yield path.parent
    for parent in (here, here.parent) if here.name == "annotations" else (here,):
        try:
            beside = sorted(entry for entry in parent.iterdir() if entry.is_dir())
        except OSError:
            continue
        # val_keypoints.json means val/ where train/ holds files of the same names.
        yield from sorted(beside, key=lambda entry: entry.name not in path.stem)
