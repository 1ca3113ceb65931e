"""Int8 quantization: whether the maps survive it, and which layers it harms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.common.document import Bullets, Details, Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed
from compress.quantization.collapse import KIND
from compress.report.document import Block, Picture
from compress.report.figures.bars import int8_layers_png
from compress.results.records import Record

_WORST = 5


@dataclass(frozen=True)
class LayerHarm:
    """What int8 does to the maps in one layer alone."""

    block: str
    joint_rel_l2: float
    paf_rel_l2: float
    is_float: bool
    """Whether this candidate keeps the layer in float."""

    @property
    def mean(self) -> float:
        return (self.joint_rel_l2 + self.paf_rel_l2) / 2


@dataclass(frozen=True)
class QuantizedCandidate:
    """One candidate in int8."""

    name: str
    guard: Mapping[str, Any]
    layers: tuple[LayerHarm, ...]
    """In the order of the data."""
    budget_kept: bool | None

    @property
    def worst(self) -> tuple[LayerHarm, ...]:
        """The layers that int8 harms most, worst first."""
        return tuple(sorted(self.layers, key=lambda one: -one.mean)[:_WORST])


def quantized_candidates(records: Sequence[Record]) -> tuple[QuantizedCandidate, ...]:
    """Every candidate that was quantised, in their order."""
    return tuple(_facts(record.name, note) for record in records for note in record.notes if note.get("kind") == KIND)


def _facts(name: str, note: Mapping[str, Any]) -> QuantizedCandidate:
    layers = tuple(
        LayerHarm(one["block"], one["joint_rel_l2"], one["paf_rel_l2"], one["block"] in note["float"])
        for one in note["sensitivity"]
    )
    return QuantizedCandidate(name, note["guard"], layers, note["budget_kept"])


def quantization(records: Sequence[Record], picture: str) -> list[Block]:
    """Empty where no candidate is in int8. The figure is called `picture` on disk."""
    found = quantized_candidates(records)
    if not found:
        return []
    text = (
        "Each candidate is compared with its float network, on frames that neither calibration nor training used. "
        "The guard rejects a candidate whose maps have collapsed: it is on no front and meets no goal."
    )
    blocks: list[Block] = [Paragraph(text), _guard_table(found)]
    if collapsed := [(one.name, _worst_layers(one)) for one in found if one.guard["dead"]]:
        blocks += [Paragraph("Rejected by the guard:"), Bullets(tuple(collapsed))]
    if over := [one.name for one in found if one.budget_kept is False]:
        blocks.append(Paragraph(f"The error limit was missed even with a single layer in int8: {listed(over)}."))
    alt = f"Bars: relative L2 that int8 in one layer alone makes, for {counted(len(found), 'candidate')}."
    caption = "Each layer alone in int8, rounded to nearest, all others in float. Hollow: stays in float."
    networks = [(one.name, [(layer.block, layer.mean, layer.is_float) for layer in one.layers]) for one in found]
    blocks.append(Picture(picture, alt, caption, lambda _: int8_layers_png(networks)))
    return [*blocks, Details("What int8 does to each layer", tuple(_layer_table(one) for one in found))]


def _guard_table(found: Sequence[QuantizedCandidate]) -> Table:
    head = (
        "Candidate", "Joints, relative L2", "PAFs, relative L2", "Keypoints lost", "Peak shift, 90th percentile [px]",
        "Layers in float", "Maps",
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                one.name,
                f"{one.guard['joint_rel_l2']:.3f}",
                f"{one.guard['paf_rel_l2']:.3f}",
                f"{one.guard['lost']} of {one.guard['keypoints']}",
                NONE if one.guard["peak_shift_px"] is None else f"{one.guard['peak_shift_px']:.1f}",
                f"{sum(layer.is_float for layer in one.layers)} of {len(one.layers)}",
                "collapsed" if one.guard["dead"] else "good",
            ),
            "failed" if one.guard["dead"] else "plain",
        )
        for one in found
    )
    frames = max(int(one.guard["frames"]) for one in found)
    caption = f"The guard, on {counted(frames, 'frame')} against the float network"
    return Table(caption, head, rows, key=2, words=(0, 6))


def _worst_layers(one: QuantizedCandidate) -> str:
    worst = [f"{layer.block} ({layer.mean:.3f})" for layer in one.worst]
    return f"{'; '.join(one.guard['dead'])}. These layers alone harm most: {listed(worst)}."


def _layer_table(one: QuantizedCandidate) -> Table:
    head = ("Layer", "Joints, relative L2", "PAFs, relative L2", "In this candidate")
    rows = tuple(
        Row(
            (layer.block, f"{layer.joint_rel_l2:.4f}", f"{layer.paf_rel_l2:.4f}", "float" if layer.is_float else "int8")
        )
        for layer in one.layers
    )
    return Table(one.name, head, rows, words=(0, 3))
