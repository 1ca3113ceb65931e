"""Where results are read from and written to: the video by path or by name, and a folder that is ours to fill."""

import difflib
import json
import os
import re
import tempfile
from pathlib import Path

from teachers.assets import known_assets, locate
from teachers.common.errors import UserError
from teachers.common.files import user_path

FACTS = "kinematics.json"


def find_video(text: str) -> tuple[str, Path]:
    """What the video is called in results, and where it lies; a built-in sample is pulled if it is not here.

    UserError with the nearest valid name if nothing fits.
    """
    path = user_path(text)
    if len(os.fsencode(path.name)) > 255:
        raise UserError(f"{path.name[:40]}...: no file has a name of {len(os.fsencode(path.name))} bytes")
    if path.is_dir():
        raise UserError(f"{text}: is a folder; a video file is needed")
    if path.exists():
        return path.name, path
    samples = [name for name, asset in known_assets().items() if asset.kind == "video"]
    if text in samples:
        return text, locate(text)
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = [str(path.parent / name) for name in difflib.get_close_matches(path.name, beside, n=1)]
    near += difflib.get_close_matches(text, samples, n=1)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise UserError(f"{text}: there is no such video; {meant}Give a video file or a sample: {', '.join(samples)}")


def check_folder(out: Path, video: str) -> None:
    """UserError where the folder cannot be written, or holds another video's results; makes it if it is not there."""
    make_folder(out)
    other = _video_of(out / FACTS)
    if other not in (None, video):
        raise UserError(f"{out}: holds the kinematics of another video, {other}; give --out another folder")


def clear(out: Path, stem: str) -> None:
    """Removes what an earlier call left for the same video: only files with our own names, kinematics.json first."""
    try:
        (out / FACTS).unlink(missing_ok=True)
        for path in (*out.iterdir(), *(out / f"{stem}_json").glob("*.json")):
            if re.fullmatch(_ours(stem), path.name) and path.is_file():
                path.unlink()
    except OSError as error:
        raise _unwritable(out, error) from error


def make_folder(out: Path) -> None:
    """The folder, there and writable; UserError if it will not do."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out, prefix="."):
            pass
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> UserError:
    return UserError(f"{out}: cannot be written: {error.strerror}; give --out a folder that can")


def _ours(stem: str) -> str:
    person = r"(angles|angles_raw|velocities|px|joints|segments)_person\d+(_part\d+)?\.(mot|trc|png)"
    return rf"{re.escape(stem)}_(\d{{6,}}\.json|angles\.csv|kinematics\.mp4|{person})"


def _video_of(facts: Path) -> str | None:
    """The video that the results in a folder are of; None if there are none."""
    try:
        content = json.loads(facts.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    video = content.get("video") if isinstance(content, dict) else None
    name = video.get("name") if isinstance(video, dict) else None
    return str(name) if name is not None else None
