"""Example frame: the teacher's people and each candidate's in the same frame, drawn side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.common.document import Paragraph
from compress.common.formatting import counted, listed
from compress.report.document import Block, ImageRow, Photo
from compress.report.facts import RunView
from compress.results.records import Record
from compress.run.example_frame import ShownPeople
from eval.oks import compare_people
from eval.overlay import DrawnPerson, draw_people
from eval.people import Person
from teachers.skeleton import Skeleton

PHOTOS = "people-"
"""How the names of drawn frames begin."""
_MARGIN = 0.12
"""Around the people, as a share of their box's larger side."""
_HEIGHT, _QUALITY = 480, 84
_SLIMMEST, _WIDEST = 0.6, 1.25
"""Width over height of a picture, where the frame has room: two of them stand beside each other on a phone."""
Window = tuple[int, int, int, int]
"""Top, bottom, left and right of a part of the frame."""


@dataclass(frozen=True)
class PeoplePair:
    """One candidate beside the teacher."""

    name: str
    found: int
    """People that the candidate finds."""
    of: int
    """People that the teacher finds."""
    matched: int
    """Of the teacher's, those that the candidate finds too."""
    oks: float | None
    """Mean similarity of these."""


@dataclass(frozen=True)
class PeopleView:
    """One frame, drawn for the teacher and each candidate on the front."""

    frame: str
    pairs: tuple[PeoplePair, ...]
    pictures: dict[str, bytes]
    """JPEG by record's name, the teacher's among them."""
    teacher: str
    unknown: tuple[str, ...]
    """On the front, and their people were not kept in the folder."""


def people_view(shown: ShownPeople | None, teacher: Record | None, members: Sequence[Record]) -> PeopleView | None:
    """Draws the frame; None where no frame was kept, or not for the teacher."""
    if shown is None or teacher is None or teacher.id not in shown.people:
        return None
    known = [record for record in members if record.id in shown.people]
    reference = shown.people[teacher.id]
    everyone = [reference, *(shown.people[record.id] for record in known if record.id)]
    window = _crop(shown.image.shape[:2], everyone)
    pictures = {
        record.name: _drawn(shown.image, people, shown.skeleton, window)
        for record, people in zip([teacher, *known], everyone, strict=True)
    }
    pairs = []
    for record, people in zip(known, everyone[1:], strict=True):
        counts = compare_people(reference, people, shown.skeleton)
        pairs.append(PeoplePair(record.name, len(people), counts.reference, counts.matched, counts.oks))
    unknown = tuple(record.name for record in members if record.id not in shown.people)
    return PeopleView(shown.frame, tuple(pairs), pictures, teacher.name, unknown)


def _drawn(image: NDArray[np.uint8], people: Sequence[Person], skeleton: Skeleton, window: Window) -> bytes:
    """The window enlarged or made smaller first, then drawn into, so that lines are as fine as the picture allows."""
    top, bottom, left, right = window
    factor = _HEIGHT / (bottom - top)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    size = round((right - left) * factor), _HEIGHT
    scaled = np.asarray(cv2.resize(image[top:bottom, left:right], size, interpolation=method), np.uint8)
    # Numbered from left to right, so that the same person mostly has the same number in both pictures.
    ordered = sorted(people, key=lambda person: float(np.nanmedian(person.keypoints[:, 0])))
    drawn = [DrawnPerson(n, _moved(person, left, top, factor), {}) for n, person in enumerate(ordered, 1)]
    done, data = cv2.imencode(".jpg", draw_people(scaled, drawn, skeleton), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture of bytes can always be written as JPEG"
    return data.tobytes()


def _moved(person: Person, left: int, top: int, factor: float) -> NDArray[np.float64]:
    """Into the window's pixels; cell centres as cv2.resize maps them."""
    moved = person.keypoints.astype(np.float64)
    moved[:, :2] = (moved[:, :2] - (left, top) + 0.5) * factor - 0.5
    return moved


def _crop(hw: tuple[int, ...], everyone: Sequence[Sequence[Person]]) -> Window:
    """Rows and columns around all people that any network finds, within the frame; all of it where none is found."""
    height, width = hw
    points = [person.keypoints[person.keypoints[:, 2] > 0, :2] for people in everyone for person in people]
    if not points:
        return 0, height, 0, width
    low, high = np.concatenate(points).min(axis=0), np.concatenate(points).max(axis=0)
    margin = _MARGIN * float(max(high - low))
    (left, top), (right, bottom) = low - margin, high + margin
    rows, columns = float(bottom - top), float(right - left)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    columns, rows = max(columns, _SLIMMEST * rows), max(rows, columns / _WIDEST)
    top, bottom = _within(middle_y, rows, height)
    left, right = _within(middle_x, columns, width)
    return top, bottom, left, right


def _within(middle: float, length: float, limit: int) -> tuple[int, int]:
    """A span of this length around the middle, pushed into 0..limit."""
    length = min(round(length), limit)
    start = int(np.clip(round(middle - length / 2), 0, limit - length))
    return start, start + int(length)


def example_frame(run: RunView, prefix: str = PHOTOS) -> list[Block]:
    """One pair of pictures for each candidate; nothing where no frame was kept and nothing forbids one."""
    source = run.source
    members = [c.record for c in run.candidates if c.on_front and not c.is_teacher]
    view = people_view(source.people, run.teacher, members)
    if view is None:
        return [Paragraph(f"No frame is shown: {source.why_no_people}.")] if source.why_no_people else []
    text = (
        f"Frame {view.frame} of the source at scale 1: the one in which the teacher's keypoints are most certain. "
        "Orange: the person's right. Blue: left. People are numbered from left to right."
    )
    blocks: list[Block] = [Paragraph(text)]
    if view.pairs:
        blocks.append(ImageRow(tuple(_beside(view, pair, prefix) for pair in view.pairs)))
    if view.unknown:
        blocks.append(Paragraph(f"Not drawn, because their people were not kept: {listed(view.unknown)}."))
    return blocks


def _beside(view: PeopleView, pair: PeoplePair, prefix: str) -> tuple[tuple[Photo, ...], str]:
    people = _people(pair.of)
    names = ((view.teacher, "teacher", people), (pair.name, pair.name, _found(pair)))
    photos = tuple(
        Photo(f"{prefix}{name}", f"Skeletons of {title}: {what}.", title, view.pictures[name])
        for name, title, what in names
    )
    return photos, f"{pair.name}: {_found(pair)}."


def _people(count: int) -> str:
    return counted(count, "person").replace("persons", "people")


def _found(pair: PeoplePair) -> str:
    if not pair.of:
        return f"the teacher finds no people here, the candidate {pair.found}"
    extra = pair.found - pair.matched
    text = f"{pair.matched} of the teacher's {_people(pair.of)} found"
    text += "" if pair.oks is None else f", OKS {pair.oks:.2f}"
    return text + (f", and {extra} that the teacher does not find" if extra else "")
