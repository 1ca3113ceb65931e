"""The same frame side by side: the teacher's skeletons and those of each candidate on the front."""

from compress.common.document import Paragraph
from compress.common.formatting import counted, listed
from compress.report.document import Beside, Block, Photo
from compress.report.facts import RunView
from compress.report.people import Pair, PeopleView

PHOTOS = "people-"
"""How the names of drawn frames begin."""


def photo_name(index: int, name: str) -> str:
    """File name, without suffix, of a drawn frame."""
    return f"{PHOTOS}{name}" if index == 0 else f"{PHOTOS}{index + 1}-{name}"


def people_blocks(run: RunView, index: int) -> list[Block]:
    """One pair of pictures for each candidate; nothing where no frame was kept and nothing forbids one."""
    view = run.people
    if view is None:
        return [Paragraph(f"No frame is shown: {run.why_no_people}.")] if run.why_no_people else []
    text = (
        f"Frame {view.frame} of the source, chosen because the teacher is surest of most keypoints in it, at scale 1. "
        "Orange is the person's right, blue the left; people are numbered from left to right."
    )
    blocks: list[Block] = [Paragraph(text), Beside(tuple(_beside(view, pair, index) for pair in view.pairs))]
    if view.unknown:
        blocks.append(Paragraph(f"Not drawn, because nobody kept their people: {listed(view.unknown)}."))
    return blocks


def _beside(view: PeopleView, pair: Pair, index: int) -> tuple[tuple[Photo, ...], str]:
    people = "1 person" if pair.of == 1 else f"{pair.of} people"
    photos = (
        Photo(photo_name(index, view.teacher), f"Skeletons that the teacher draws: {people}.", "teacher"),
        Photo(photo_name(index, pair.name), f"Skeletons that {pair.name} draws: {_found(pair)}.", pair.name),
    )
    return photos, f"{pair.name}: {_found(pair)}."


def _found(pair: Pair) -> str:
    if not pair.of:
        return f"the teacher finds nobody here, it finds {pair.found}"
    extra = pair.found - pair.matched
    text = f"{pair.matched} of the teacher's {counted(pair.of, 'person').replace('persons', 'people')} found"
    text += "" if pair.oks is None else f", OKS {pair.oks:.2f}"
    return text + (f", and {extra} whom the teacher does not see" if extra else "")


def people_pictures(run: RunView, index: int) -> dict[str, bytes]:
    """JPEG of each drawn frame, by the name that the document calls it by."""
    if run.people is None or not run.people.pairs:
        return {}
    return {photo_name(index, name): picture for name, picture in run.people.pictures.items()}
