"""People that the reference found on a clip, kept for other runs: four scales of a large network take minutes."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compress.common.fact_cache import FactCache, fact_key
from eval.people import DecodeSettings
from eval.runtimes import RUNTIMES
from teachers.assets import cache_folder
from teachers.common.files import write_text

_FORMAT = 1


def take(key: str, cache: FactCache, count: int) -> None:
    """Puts what an earlier run kept into this run's journal, unless all of it is there."""
    done = len(cache.facts(key))
    if done >= count:
        return
    try:
        facts = json.loads(_file(key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # none, or damaged: computed again
    if isinstance(facts, list) and len(facts) == count:
        for fact in facts[done:]:
            cache.add(key, fact)


def keep(key: str, facts: Sequence[dict[str, Any]]) -> None:
    """Keeps the facts of a whole clip."""
    path = _file(key)
    if path.is_file():
        return
    try:
        write_text(path, json.dumps(list(facts)))
    except OSError:
        return  # the run has them; only the next one computes them again


def _file(key: str) -> Path:
    """By everything that decides what is found, and is not in the key of the journal."""
    made_with = (_FORMAT, key, RUNTIMES["onnxruntime"].version, asdict(DecodeSettings()))
    return cache_folder() / "people" / f"{fact_key(*made_with)}.json"
