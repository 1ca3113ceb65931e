"""What the report says of candidates in int8: whether their maps live, and which layers int8 spoils."""

from collections.abc import Sequence

from compress.common.document import Bullets, Folded, Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed
from compress.report.document import Block, Picture
from compress.report.quantized import QuantizedView


def quantized_blocks(found: Sequence[QuantizedView], picture: str) -> list[Block]:
    """Empty where nobody is in int8."""
    if not found:
        return []
    blocks: list[Block] = [
        Paragraph(
            "Each is held against the float network that it was made from, on frames that neither calibration nor "
            "training used. Where the guard says that the maps have died, the candidate is on no front, meets no goal "
            "and is never chosen, whatever its time and size."
        ),
        _guard_table(found),
    ]
    dead = [(view.name, _who_did_it(view)) for view in found if view.guard["dead"]]
    if dead:
        blocks += [Paragraph("Refused by the guard:"), Bullets(tuple(dead))]
    over = [view.name for view in found if view.budget_kept is False]
    if over:
        blocks.append(Paragraph(f"Even with one layer in int8 the budget could not be kept: {listed(over)}."))
    alt = f"Bars: relative L2 that int8 in one layer alone makes, for {counted(len(found), 'candidate')}."
    caption = "Each layer alone in int8, its weights at their nearest multiples, all else float; hollow stays float."
    blocks.append(Picture(picture, alt, caption))
    tables = tuple(_layer_table(view) for view in found)
    return [*blocks, Folded("What int8 does to each layer", tables)]


def _guard_table(found: Sequence[QuantizedView]) -> Table:
    head = (
        "Candidate", "Joints, relative L2", "PAFs, relative L2", "Keypoints lost", "Nine in ten peaks move less [px]",
        "Layers in float", "Maps",
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                view.name,
                f"{view.guard['joint_rel_l2']:.3f}",
                f"{view.guard['paf_rel_l2']:.3f}",
                f"{view.guard['lost']} of {view.guard['keypoints']}",
                NONE if view.guard["peak_shift_px"] is None else f"{view.guard['peak_shift_px']:.1f}",
                f"{sum(one.is_float for one in view.layers)} of {len(view.layers)}",
                "dead" if view.guard["dead"] else "alive",
            ),
            "failed" if view.guard["dead"] else "plain",
        )
        for view in found
    )
    frames = max(int(view.guard["frames"]) for view in found)
    caption = f"The guard, on {counted(frames, 'frame')} against the float network"
    return Table(caption, head, rows, key=2, words=(0, 6))


def _who_did_it(view: QuantizedView) -> str:
    worst = [f"{one.block} ({(one.joint_rel_l2 + one.paf_rel_l2) / 2:.3f})" for one in view.worst]
    return f"{'; '.join(view.guard['dead'])}. Alone, these layers harm most: {listed(worst)}."


def _layer_table(view: QuantizedView) -> Table:
    head = ("Layer", "Joints, relative L2", "PAFs, relative L2", "In this candidate")
    rows = tuple(
        Row((one.block, f"{one.joint_rel_l2:.4f}", f"{one.paf_rel_l2:.4f}", "float" if one.is_float else "int8"))
        for one in view.layers
    )
    return Table(view.name, head, rows, words=(0, 3))
