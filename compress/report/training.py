"""What the report says of how the candidates learned."""

from collections.abc import Sequence

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, counted, significant
from compress.report.document import Block, Picture
from compress.results.training_curves import Learning


def training_blocks(found: Sequence[Learning], picture: str) -> list[Block]:
    """Empty where nobody learned anything."""
    if not found:
        return []
    text = (
        "Each was shown the teacher's maps of the training frames and is judged on whole frames that were held out. "
        "The weights that were best there are kept, those it began with among them."
    )
    falling = [learning.name for learning in found if learning.still_falling]
    blocks: list[Block] = [Paragraph(text)]
    if falling:
        names = ", ".join(falling)
        blocks.append(Paragraph(f"At the last look the held-out difference was still falling for: {names}."))
    alt = f"Two plots over the steps of training, for {counted(len(found), 'candidate')}: loss and held-out L2."
    caption = (
        "Left the training loss, right the relative L2 on held-out frames (mean of joints and PAFs); lower is better."
    )
    blocks.append(Picture(picture, alt, caption, narrow=f"{picture}-narrow"))
    head = (
        "Candidate", "Joints before", "Joints after", "PAFs before", "PAFs after", "Best at step", "Time [min]",
        "Images/s", "Where",
    )  # fmt: skip
    rows = tuple(Row(_cells(learning)) for learning in found)
    caption = "Relative L2 on the held-out frames before and after training"
    return [*blocks, Table(caption, head, rows, key=4, words=(0, 8))]


def _cells(learning: Learning) -> tuple[str, ...]:
    before, best = learning.before, learning.best
    return (
        learning.name,
        f"{before['joint_rel_l2']:.3f}",
        f"{best['joint_rel_l2']:.3f}",
        f"{before['paf_rel_l2']:.3f}",
        f"{best['paf_rel_l2']:.3f}",
        f"{learning.best_step} of {learning.steps}",
        significant(learning.seconds / 60),
        NONE if learning.images_per_s is None else significant(learning.images_per_s),
        learning.where,
    )
