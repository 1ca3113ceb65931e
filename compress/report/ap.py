"""AP and AR against labels, as a block of the report."""

from compress.common.document import Paragraph, Table
from compress.common.formatting import NONE, counted, listed
from compress.report.document import Block
from compress.report.facts import RunView
from compress.report.tables import row_of
from compress.results.records import LabelledAp

_NUMBERS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar")
_HEAD = ("Candidate", "AP", "AP50", "AP75", "AP medium", "AP large", "AR", "Detections")


def ap_blocks(run: RunView) -> list[Block]:
    """One row for each candidate; empty if nobody was compared with labels."""
    found = [c.record.measurement.ap for c in run.candidates if c.record.measurement.ap is not None]
    if not found:
        return []
    rows = tuple(row_of(candidate, _cells(candidate.record.measurement.ap)) for candidate in run.candidates)
    setups = sorted({_setup(facts) for facts in found})
    text = (
        f"Average precision and recall of the people found, by OKS over COCO's 17 keypoints (neck dropped), on "
        f"{listed(setups)}. This compares with the truth as it was labelled, not with the teacher. Numbers of other "
        "images, input sizes or decoders do not compare."
    )
    notes = sorted({facts.note for facts in found if facts.note})
    return [Paragraph(text), Table("AP by COCO's protocol, 0 to 1", _HEAD, rows, key=1), *map(Paragraph, notes)]


def _cells(facts: LabelledAp | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * (len(_HEAD) - 1)
    values = (getattr(facts, name) for name in _NUMBERS)
    return (*(NONE if value is None else f"{value:.3f}" for value in values), str(facts.detections))


def _setup(facts: LabelledAp) -> str:
    scales = ", ".join(f"{scale:g}" for scale in facts.scales)
    people = f"{facts.labelled_people} labelled people in {counted(facts.images, 'image')} of {facts.labels}"
    return f"{people}, {'scale' if len(facts.scales) == 1 else 'average over scales'} {scales}"
