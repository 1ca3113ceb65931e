"""AP and AR of every candidate against the labels of a COCO keypoint file: the truth, where somebody has labelled it.

People found are journalled image by image, so a killed run goes on; AP itself is computed anew from them.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compress.common.fact_cache import Journal, fact_key
from compress.core.built import Built
from compress.measure.pose_inference import Finder, Networks, from_fact, to_fact
from compress.recipe.models import Recipe
from compress.results.records import LabelledAp
from eval.coco import average_precision
from eval.coco_labels import CocoLabels, open_labels
from eval.frames import Frame, Sample, draw_sample
from teachers.common.errors import UserError

Track = Callable[[Iterable[Any], str, int, int], Iterable[Any]]


@dataclass(frozen=True)
class Labelled:
    """A seeded sample of a COCO file's labelled images."""

    labels: CocoLabels
    sample: Sample
    scales: tuple[float, ...]
    digest: str
    """Of the labels' file and the sampled images."""

    def image_ids(self) -> list[int]:
        """The image id of each sampled frame."""
        ids = self.labels.image_ids()
        return [ids[index] for index in self.sample.indices]


def open_labelled(recipe: Recipe) -> Labelled | None:
    """The labelled images that a recipe names; None if it asks for no AP.

    Raises UserError if the file has no keypoint labels or none of its images can be read.
    """
    plan = recipe.measure.ap
    if not plan:
        return None
    path = Path(plan.labels or recipe.data.source).expanduser()
    if not path.is_file() or path.suffix.lower() != ".json":
        raise UserError(
            f"measure.ap: AP needs a COCO keypoint file, {str(path)!r} is none; set measure.ap.labels, or measure.ap "
            "to false"
        )
    labels = open_labels(path)
    sample = draw_sample(labels.source, min(plan.images, recipe.data.images), recipe.data.seed)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Labelled(labels, sample, plan.scales, fact_key(content, sample.digest))


def measure_ap(networks: Networks, on: Labelled, journal: Journal, track: Track) -> dict[str, LabelledAp]:
    """AP and AR of each candidate by name, each on the same images."""
    keys = {built.name: _key(networks, on, built) for built in networks.candidates}
    _find_people(networks, on, keys, journal, track)
    ids, found = on.image_ids(), {}
    for built in networks.candidates:
        people = [from_fact(fact["people"]) for fact in journal.facts(keys[built.name])]
        ap = average_precision(on.labels, dict(zip(ids, people, strict=True)), built.candidate.spec.skeleton)
        found[built.name] = LabelledAp(labels=on.labels.name, scales=on.scales, **asdict(ap))
    return found


def _find_people(networks: Networks, on: Labelled, keys: dict[str, str], journal: Journal, track: Track) -> None:
    # By key: two candidates of the same content, under two names, are measured once.
    different = {keys[built.name]: built for built in networks.candidates}
    done = {key: len(journal.facts(key)) for key in different}
    start, total = min(done.values()), len(on.sample.indices)
    if start == total:
        return
    finder = Finder(networks, list(different.values()), on.scales)
    frames: Iterable[Frame] = track(on.sample.frames(start), "people on labelled images", total, start)
    for index, frame in enumerate(frames, start):
        waiting = [key for key in different if done[key] <= index]
        found = finder.people(frame.image, [different[key] for key in waiting])
        for key, people in zip(waiting, found, strict=True):
            journal.add(key, {"image": frame.name, "people": to_fact(people)})


def _key(networks: Networks, on: Labelled, built: Built) -> str:
    return fact_key("labelled", 1, networks.teacher.candidate.id, built.candidate.id, on.scales, on.sample.digest)
