"""All mistakes of a recipe, each with where it stands: `recipes/x.yaml:14 scales.0: must be above 0, got -1`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from compress.common.yaml_source import Keys
from teachers.common.errors import UserError

SHOWN = 100
_AFTER_THE_FILE = 10**9


@dataclass(frozen=True)
class Location:
    """Where a value was written: its rank in reading order and how to name it."""

    rank: int
    label: str


@dataclass
class Mistakes:
    """Collects mistakes by path; of several about one path the first stays, because it explains the others."""

    label: str
    """The recipe's path as the user gave it."""
    places: dict[Keys, Location]
    found: dict[Keys, str] = field(default_factory=dict)
    about_overrides: dict[int, str] = field(default_factory=dict)

    @staticmethod
    def of_file(label: str, lines: dict[Keys, int]) -> "Mistakes":
        """No mistakes yet; lines come from the YAML, in reading order."""
        places = {keys: Location(rank, f"{label}:{line}") for rank, (keys, line) in enumerate(lines.items())}
        return Mistakes(label, places)

    def add(self, keys: Keys, message: str) -> None:
        """One mistake, at the path as the user wrote it."""
        self.found.setdefault(keys, message)

    def add_override(self, index: int, text: str, message: str) -> None:
        """One mistake of a --set itself."""
        self.about_overrides.setdefault(index, f"--set {shortened(text)}: {message}")

    def overridden(self, index: int, text: str, keys: Keys, parents: Iterable[Keys]) -> None:
        """From now on what stands at `keys` was written by a --set, and so were parents that it had to make."""
        place = Location(_AFTER_THE_FILE + index, f"--set {shortened(text)}")
        for old in [old for old in self.places if old[: len(keys)] == keys]:
            del self.places[old]
        for made in (*parents, keys):
            self.places[made] = place

    def place(self, keys: Keys) -> Location:
        """Where this path stands, or else the nearest thing around it."""
        while keys not in self.places and keys:
            keys = keys[:-1]
        return self.places.get(keys, Location(0, f"{self.label}:1"))

    def lines(self) -> list[str]:
        """One line for each mistake, in the order of the file, then of the overrides."""
        ranked = [(self.place(keys), keys, message) for keys, message in self.found.items()]
        entries = [(place.rank, f"{place.label}{_path(keys)}: {message}") for place, keys, message in ranked]
        entries += [(_AFTER_THE_FILE + index, line) for index, line in self.about_overrides.items()]
        lines = [line for _, line in sorted(entries, key=lambda entry: entry[0])]
        return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and more: these are the first {SHOWN}"]

    def refuse(self) -> None:
        """UserError with every line, if there is any."""
        if self.found or self.about_overrides:
            raise UserError("\n".join(self.lines()))


def _path(keys: Keys) -> str:
    return " " + dotted(keys) if keys else ""


def dotted(keys: Keys) -> str:
    """`candidates.0.steps.1.stages`; a key that is no plain word is quoted."""
    return ".".join(str(key) if _is_word(str(key)) else shortened(repr(key)) for key in keys)


def _is_word(text: str) -> bool:
    return (text.replace("-", "_").isidentifier() and len(text) <= 40) or text.isdigit()


def shortened(text: str, length: int = 60) -> str:
    """One line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3] + "..."


def show(value: Any) -> str:
    """A value as a recipe would spell it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return shortened(repr(value))
