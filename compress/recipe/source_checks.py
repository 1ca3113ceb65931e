"""Frames and files that a recipe names: whether they are here and can be opened.

Files are opened and headers are read, so that `compress check` refuses what a run would; nothing is decoded beyond a
video's first frame, and a built-in sample is not downloaded.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compress.common.yaml_source import Keys
from compress.measure.metrics import METRICS
from compress.recipe.diagnostics import Mistakes, show
from compress.training.frames import DataPart
from eval.frame_folder import ImageFiles
from eval.frames import FrameSource, open_source
from teachers.assets import known_assets
from teachers.common.errors import UserError
from teachers.zoo import nearest

_OF_METRICS: tuple[Keys, ...] = tuple(
    ("measure", key, field) for key, metric in METRICS.items() for field in metric.sources
)
_Stamp = tuple[int, int]
"""When a file was written and how long it is: what was found out about it holds as long as these."""


def check_sources(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Every source is here and can be opened, and training has frames."""
    samples = [name for name, asset in known_assets().items() if asset.kind == "video"]
    opened = {keys: _open(keys, source, samples, mistakes) for keys, source in _written(data)}
    _check_training(data, opened, mistakes)


def _at(data: Any, keys: Keys) -> Any:
    """What stands there; None where nothing does."""
    for key in keys:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data


def _parts(data: dict[str, Any]) -> list[Any]:
    parts = _at(data, ("training", "data"))
    return parts if isinstance(parts, list) else []


def _written(data: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    learnt: list[Keys] = [("training", "data", number, "source") for number in range(len(_parts(data)))]
    for keys in (("data", "source"), *_OF_METRICS, *learnt):
        source = _at(data, keys)
        if isinstance(source, str) and source:
            yield keys, source


def _open(keys: Keys, source: str, samples: list[str], mistakes: Mistakes) -> FrameSource | None:
    """None for a built-in sample, for what is no source, and for a metric's own, of which it knows the kind itself."""
    try:
        path = Path(source).expanduser()
        if not path.exists():
            if source not in samples:
                mistakes.add(keys, f"no file, folder or sample is called {show(source)}{nearest(source, samples)}")
            return None
        return None if keys in _OF_METRICS else _opened(source, _stamp(path))
    except (OSError, RuntimeError, ValueError) as error:  # a name too long; ~name of an unknown user
        mistakes.add(keys, f"{show(source)} is no path: {error}")
    except UserError as error:
        mistakes.add(keys, " ".join(str(error).split()))
    return None


def _stamp(path: Path) -> _Stamp:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size


# A search looks at the same sources once for every option that it has.
@lru_cache(maxsize=64)
def _opened(source: str, stamp: _Stamp) -> FrameSource:
    return open_source(source)


def _check_training(data: dict[str, Any], opened: dict[Keys, FrameSource | None], mistakes: Mistakes) -> None:
    """Each part of a folder has frames, and all parts together two. How many a video has is known by decoding it."""
    known: list[int] = []
    for number, written in enumerate(_parts(data)):
        source = opened.get(("training", "data", number, "source"))
        try:
            part = DataPart.model_validate(written)
        except ValidationError:
            return  # already among the mistakes
        if not isinstance(source, ImageFiles):
            return
        there = len(source.files)
        known.append(len(part.indices(there)))
        if not known[-1]:
            mistakes.add(("training", "data", number), f"{part.source} has {there} frames, none from {part.start} on")
    if sum(known) == 1:
        mistakes.add(("training", "data"), "1 frame is too few: one to learn from and one to hold out")
