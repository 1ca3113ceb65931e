"""How the candidates learned: facts from the notes of their training steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.core.notes import TrainingNote
from compress.results.records import Record


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
    note: TrainingNote
    where: str

    @property
    def still_falling(self) -> bool:
        """Whether the last look was the best one, so that more steps would probably help."""
        note = self.note
        return note.best_step == note.steps and note.best.score < note.before.score


def learnings(records: Sequence[Record]) -> tuple[Learning, ...]:
    """Every training of every candidate, in their order; a second one of the same candidate is numbered."""
    found: list[Learning] = []
    for record in records:
        notes = [note for note in record.notes if isinstance(note, TrainingNote)]
        for number, note in enumerate(notes, start=1):
            found.append(_learning(record.name if len(notes) == 1 else f"{record.name} ({number})", note))
    return tuple(found)


def _learning(name: str, note: TrainingNote) -> Learning:
    precision = "bf16" if note.precision == "bf16" else "fp32"
    processes = "" if note.processes == 1 else f", {note.processes} processes"
    return Learning(
        name=name,
        losses=tuple(Point(point.step, point.loss) for point in note.losses),
        held_out=tuple(Point(look.step, look.score) for look in note.validations),
        note=note,
        where=f"{note.device}, {precision}{processes}",
    )
