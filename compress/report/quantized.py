"""Candidates in int8: facts from the notes of their quantization, whether maps live and which layers int8 spoils."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.quantization.collapse import KIND
from compress.results.records import Record

_WORST = 5


@dataclass(frozen=True)
class Harm:
    """What int8 does to one layer alone."""

    block: str
    joint_rel_l2: float
    paf_rel_l2: float
    is_float: bool
    """Whether this candidate keeps it in float."""


@dataclass(frozen=True)
class QuantizedView:
    """One candidate in int8."""

    name: str
    guard: Mapping[str, Any]
    layers: tuple[Harm, ...]
    """In the order of the data."""
    budget_kept: bool | None

    @property
    def worst(self) -> tuple[Harm, ...]:
        """The layers that int8 harms most, worst first."""
        return tuple(sorted(self.layers, key=lambda one: -(one.joint_rel_l2 + one.paf_rel_l2))[:_WORST])


def quantized_views(records: Sequence[Record]) -> tuple[QuantizedView, ...]:
    """Every candidate that was quantised, in their order."""
    return tuple(_view(record.name, note) for record in records for note in record.notes if note.get("kind") == KIND)


def _view(name: str, note: Mapping[str, Any]) -> QuantizedView:
    layers = tuple(
        Harm(one["block"], one["joint_rel_l2"], one["paf_rel_l2"], one["block"] in note["float"])
        for one in note["sensitivity"]
    )
    return QuantizedView(name, note["guard"], layers, note["budget_kept"])
