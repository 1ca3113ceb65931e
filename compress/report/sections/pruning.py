"""Pruned channels: how many went, and whether the speed-up that the latency table predicted came true."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, percent
from compress.core.notes import PruningNote
from compress.measure.latency_facts import Latencies, PartLatency
from compress.report.document import Block
from compress.results.records import Record


@dataclass(frozen=True)
class PrunedStep:
    """One prune_channels step of one candidate."""

    name: str
    how: str
    channels: tuple[int, int]
    """Before and after, of all layers that may be pruned."""
    macs: tuple[int, int]
    predicted: float | None
    """Time over that of the network before, by the latency table."""
    measured: float | None
    parent: str | None
    """The candidate that is the network before; None if none of the run is."""


def pruned_steps(records: Sequence[Record]) -> list[PrunedStep]:
    """Every such step of every candidate."""
    by_id = {record.id: record for record in records if record.id is not None}
    return [
        _step(record, by_id.get(note.parent), note)
        for record in records
        for note in record.notes
        if isinstance(note, PruningNote)
    ]


def _step(record: Record, parent: Record | None, note: PruningNote) -> PrunedStep:
    predicted = note.predicted
    fitted = ", reconstructed" if note.reconstruct else ""
    rounds = f", {note.iterative_steps} steps" if note.iterative_steps > 1 else ""
    return PrunedStep(
        name=record.name,
        how=f"{note.allocation}, {note.importance}{fitted}{rounds}",
        channels=note.channels,
        macs=note.macs,
        predicted=None if predicted is None else predicted.ms / predicted.parent_ms,
        measured=None if parent is None else _measured(record, parent, note),
        parent=None if parent is None else parent.name,
    )


def _measured(record: Record, parent: Record, note: PruningNote) -> float | None:
    """The ratio of their times at the scale whose input is nearest to that of the table."""
    ours, theirs = (_nearest(one, note.input_hw) for one in (record, parent))
    return None if ours is None or theirs is None else ours.ratio / theirs.ratio


def _nearest(record: Record, input_hw: Sequence[int]) -> PartLatency | None:
    latencies = record.facts(Latencies)
    parts = latencies.first.parts if latencies is not None else ()
    wanted = input_hw[0] * input_hw[1]
    return min(parts, key=lambda one: abs(one.input_h * one.input_w - wanted), default=None)


def pruning(records: Sequence[Record]) -> list[Block]:
    """A row for each step that removed channels; empty where none did."""
    found = pruned_steps(records)
    if not found:
        return []
    rows = tuple(
        Row(
            (
                one.name,
                one.how,
                f"{one.channels[0]} to {one.channels[1]}",
                percent(one.macs[1] / one.macs[0]),
                _speed_up(one.predicted),
                _speed_up(one.measured) if one.parent is not None else NONE,
                one.parent or "not in this run",
            )
        )
        for one in found
    )
    text = (
        "Speed-ups are over the network before pruning. The prediction sums a table of layers timed alone: it leaves "
        "out pooling, concatenation and what a runtime saves between layers. The measured speed-up is that of the "
        "artefact at the scale nearest to the table's input."
    )
    head = (
        "Candidate", "Allocation, importance", "Channels", "MACs left", "Predicted speed-up", "Measured speed-up",
        "Pruned from",
    )  # fmt: skip
    return [Table("Predicted and measured speed-up", head, rows, key=5, words=(0, 1, 2, 6)), Paragraph(text)]


def _speed_up(share: float | None) -> str:
    return NONE if share is None else f"{1 / share:.2f}x"
