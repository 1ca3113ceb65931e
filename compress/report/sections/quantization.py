"""Int8 quantization: whether the maps survive it, and which layers it harms."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.common.document import Bullets, Details, Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed
from compress.core.notes import BlockSensitivity, CollapseFacts, QuantizationNote
from compress.report.document import Block, Picture
from compress.report.figures.bars import int8_layers_png
from compress.results.records import Record

_WORST = 5


@dataclass(frozen=True)
class QuantizedCandidate:
    """One candidate in int8."""

    name: str
    note: QuantizationNote

    @property
    def worst(self) -> tuple[BlockSensitivity, ...]:
        """The layers that int8 harms most, worst first."""
        return tuple(sorted(self.note.sensitivity, key=lambda one: -one.mean)[:_WORST])


def quantized_candidates(records: Sequence[Record]) -> tuple[QuantizedCandidate, ...]:
    """Every candidate that was quantised, in their order."""
    return tuple(
        QuantizedCandidate(record.name, note)
        for record in records
        for note in record.notes
        if isinstance(note, QuantizationNote)
    )


def quantization(records: Sequence[Record], picture: str) -> list[Block]:
    """Empty where no candidate is in int8. The figure is called `picture` on disk."""
    found = quantized_candidates(records)
    if not found:
        return []
    text = (
        "Each candidate is compared with its float network, on frames that neither calibration nor training used. "
        "The collapse check rejects a candidate whose maps differ too much: it is on no front and meets no goal."
    )
    blocks: list[Block] = [Paragraph(text), _collapse_table(found)]
    if collapsed := [(one.name, _worst_layers(one)) for one in found if one.note.collapsed]:
        blocks += [Paragraph("Rejected by the collapse check:"), Bullets(tuple(collapsed))]
    if over := [one.name for one in found if one.note.limit_kept is False]:
        blocks.append(Paragraph(f"The error limit was missed even with a single layer in int8: {listed(over)}."))
    alt = f"Bars: relative L2 that int8 in one layer alone makes, for {counted(len(found), 'candidate')}."
    caption = "Each layer alone in int8, rounded to nearest, all others in float. Hollow: stays in float."
    networks = [
        (one.name, [(layer.block, layer.mean, layer.block in one.note.floats) for layer in one.note.sensitivity])
        for one in found
    ]
    blocks.append(Picture(picture, alt, caption, lambda _: int8_layers_png(networks)))
    return [*blocks, Details("What int8 does to each layer", tuple(_layer_table(one) for one in found))]


def _collapse_table(found: Sequence[QuantizedCandidate]) -> Table:
    head = (
        "Candidate", "Joints, relative L2", "PAFs, relative L2", "Keypoints lost", "Peak shift, 90th percentile [px]",
        "Layers in float", "Maps",
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                one.name,
                f"{one.note.collapse.joint_rel_l2:.3f}",
                f"{one.note.collapse.paf_rel_l2:.3f}",
                f"{one.note.collapse.lost} of {one.note.collapse.keypoints}",
                _shift(one.note.collapse),
                f"{len(one.note.floats)} of {len(one.note.sensitivity)}",
                "collapsed" if one.note.collapsed else "good",
            ),
            "failed" if one.note.collapsed else "plain",
        )
        for one in found
    )
    frames = max(one.note.collapse.frames for one in found)
    caption = f"Collapse check, on {counted(frames, 'frame')} against the float network"
    return Table(caption, head, rows, key=2, words=(0, 6))


def _worst_layers(one: QuantizedCandidate) -> str:
    worst = [f"{layer.block} ({layer.mean:.3f})" for layer in one.worst]
    return f"{'; '.join(one.note.collapsed)}. These layers alone harm most: {listed(worst)}."


def _shift(facts: CollapseFacts) -> str:
    return NONE if facts.peak_shift_px is None else f"{facts.peak_shift_px:.1f}"


def _layer_table(one: QuantizedCandidate) -> Table:
    head = ("Layer", "Joints, relative L2", "PAFs, relative L2", "In this candidate")
    rows = tuple(
        Row((layer.block, f"{layer.joint_rel_l2:.4f}", f"{layer.paf_rel_l2:.4f}", _precision(layer, one.note)))
        for layer in one.note.sensitivity
    )
    return Table(one.name, head, rows, words=(0, 3))


def _precision(layer: BlockSensitivity, note: QuantizationNote) -> str:
    return "float" if layer.block in note.floats else "int8"
