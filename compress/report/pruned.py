"""What pruning took away, and whether the time that the latency table predicted came true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, percent
from compress.report.document import Block
from compress.report.facts import RunView
from compress.results.records import Record, ScaleLatency

KIND = "pruning"
_UNKNOWN = "not in this run"


@dataclass(frozen=True)
class Pruned:
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


def pruned(records: Sequence[Record]) -> list[Pruned]:
    """Every such step of every candidate."""
    by_id = {record.id: record for record in records if record.id is not None}
    found = []
    for record in records:
        for note in (note for note in record.notes if note.get("kind") == KIND):
            parent = by_id.get(note["parent"])
            predicted = note["predicted"]
            fitted = ", reconstructed" if note["reconstruct"] else ""
            rounds = f", {note['iterative_steps']} steps" if note["iterative_steps"] > 1 else ""
            found.append(
                Pruned(
                    name=record.name,
                    how=f"{note['allocation']}, {note['importance']}{fitted}{rounds}",
                    channels=(note["channels"][0], note["channels"][1]),
                    macs=(note["macs"][0], note["macs"][1]),
                    predicted=None if predicted is None else predicted["ms"] / predicted["parent_ms"],
                    measured=None if parent is None else _measured(record, parent, note),
                    parent=None if parent is None else parent.name,
                )
            )
    return found


def _measured(record: Record, parent: Record, note: Mapping[str, Any]) -> float | None:
    """The ratio of their times at the scale whose input is nearest to that of the table."""
    ours, theirs = (_nearest(one, note["input_hw"]) for one in (record, parent))
    return None if ours is None or theirs is None else ours.ratio / theirs.ratio


def _nearest(record: Record, input_hw: Sequence[int]) -> ScaleLatency | None:
    scales = record.measurement.latency[0].scales if record.measurement.latency else ()
    wanted = input_hw[0] * input_hw[1]
    return min(scales, key=lambda one: abs(one.input_h * one.input_w - wanted), default=None)


def pruning_blocks(run: RunView) -> list[Block]:
    """A row for each step that removed channels; empty where none did."""
    found = pruned([candidate.record for candidate in run.candidates])
    if not found:
        return []
    rows = tuple(
        Row(
            (
                one.name,
                one.how,
                f"{one.channels[0]} to {one.channels[1]}",
                percent(one.macs[1] / one.macs[0]),
                _times(one.predicted),
                _times(one.measured) if one.parent is not None else NONE,
                one.parent or _UNKNOWN,
            )
        )
        for one in found
    )
    text = (
        "Speed-ups are over the network that the channels were removed from. What is predicted is the sum of a table "
        "of layers timed alone, which leaves out pools, concatenations and what a runtime saves between layers; what "
        "is measured is the artefact's own time at the scale nearest to the table's input. Channels are those of all "
        "layers that may be pruned."
    )
    head = (
        "Candidate", "Allocation, importance", "Channels", "MACs that stay", "Predicted speed-up", "Measured speed-up",
        "Removed from",
    )  # fmt: skip
    return [Table("Predicted against measured", head, rows, key=5, words=(0, 1, 2, 6)), Paragraph(text)]


def _times(share: float | None) -> str:
    return NONE if share is None else f"{1 / share:.2f}x"
