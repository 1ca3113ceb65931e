"""Training: loss and held-out difference of every candidate that was trained."""

from collections.abc import Sequence

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed, significant
from compress.report.document import Block, Picture
from compress.report.figures.curves import training_png
from compress.results.training_curves import Learning


def training(found: Sequence[Learning], picture: str) -> list[Block]:
    """Empty where nothing was trained. The figure is called `picture` on disk."""
    if not found:
        return []
    text = (
        "Trained on the teacher's maps and validated on held-out frames. The best weights are kept, including those "
        "before training."
    )
    blocks: list[Block] = [Paragraph(text)]
    if falling := [learning.name for learning in found if learning.still_falling]:
        blocks.append(
            Paragraph(f"The held-out difference was still falling at the last validation: {listed(falling)}.")
        )
    alt = f"Two plots over the training steps, for {counted(len(found), 'candidate')}: loss and held-out L2."
    caption = "Left: training loss. Right: relative L2 on held-out frames, mean of joints and PAFs. Lower is better."
    blocks.append(Picture(picture, alt, caption, lambda narrow: training_png(found, narrow), has_narrow=True))
    head = (
        "Candidate", "Joints before", "Joints after", "PAFs before", "PAFs after", "Best at step", "Time [min]",
        "Images/s", "Device",
    )  # fmt: skip
    rows = tuple(Row(_cells(learning)) for learning in found)
    caption = "Relative L2 on the held-out frames before and after training"
    return [*blocks, Table(caption, head, rows, key=4, words=(0, 8))]


def _cells(learning: Learning) -> tuple[str, ...]:
    note = learning.note
    return (
        learning.name,
        f"{note.before.joint_rel_l2:.3f}",
        f"{note.best.joint_rel_l2:.3f}",
        f"{note.before.paf_rel_l2:.3f}",
        f"{note.best.paf_rel_l2:.3f}",
        f"{note.best_step} of {note.steps}",
        significant(note.seconds / 60),
        NONE if note.images_per_s is None else significant(note.images_per_s),
        learning.where,
    )
