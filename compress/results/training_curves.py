"""How the candidates learned: facts from the notes of their training steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.results.records import Record

KIND = "training"


@dataclass(frozen=True)
class Point:
    """A value after so many steps."""

    step: int
    value: float


@dataclass(frozen=True)
class Learning:
    """One training of one candidate. L2 is the mean of joints' and PAFs' relative L2 on the held-out frames."""

    name: str
    losses: tuple[Point, ...]
    held_out: tuple[Point, ...]
    before: Mapping[str, float]
    best: Mapping[str, float]
    best_step: int
    steps: int
    seconds: float
    images_per_s: float | None
    where: str

    @property
    def still_falling(self) -> bool:
        """Whether the last look was the best one, so that more steps would probably help."""
        return self.best_step == self.steps and self.best["score"] < self.before["score"]


def learnings(records: Sequence[Record]) -> tuple[Learning, ...]:
    """Every training of every candidate, in their order; a second one of the same candidate is numbered."""
    found: list[Learning] = []
    for record in records:
        notes = [note for note in record.notes if note.get("kind") == KIND]
        for number, note in enumerate(notes, start=1):
            found.append(_learning(record.name if len(notes) == 1 else f"{record.name} ({number})", note))
    return tuple(found)


def _learning(name: str, note: Mapping[str, Any]) -> Learning:
    precision = "bf16" if note["precision"] == "bf16" else "fp32"
    processes = "" if note["processes"] == 1 else f", {note['processes']} processes"
    return Learning(
        name=name,
        losses=tuple(Point(point["step"], point["loss"]) for point in note["losses"]),
        held_out=tuple(Point(look["step"], look["score"]) for look in note["validations"]),
        before=note["before"],
        best=note["best"],
        best_step=note["best_step"],
        steps=note["steps"],
        seconds=note["seconds"],
        images_per_s=note["images_per_s"],
        where=f"{note['device']}, {precision}{processes}",
    )
