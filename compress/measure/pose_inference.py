"""The people that each candidate finds in an image; the teacher's one pass answers for all of its stages.

Stage t of the teacher is the candidate with t stages, so its session with all stages out is run once for each input.
What was found goes to the cache image by image.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from compress.common.fact_cache import FactCache
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.export.onnx_export import stage_outputs
from eval.people import Person
from eval.pose import PoseEstimator
from eval.runtimes import RUNTIMES, Session

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Networks:
    """The networks that look at images, and how they are run."""

    teacher: Built
    candidates: Sequence[Built]
    """The teacher among them."""
    all_stages: Path
    threads: int


class Finder:
    """The networks, loaded once."""

    def __init__(self, networks: Networks, candidates: Sequence[Built], scales: Sequence[float] = (1.0,)) -> None:
        """`candidates`: those of them that are wanted. Scales as `eval.pose.PoseEstimator` takes them."""
        runtime = RUNTIMES["onnxruntime"]
        stages = sorted({built.stage for built in candidates if built.stage is not None})
        shared = _SharedPass(runtime.load(networks.all_stages, networks.threads), stages, len(scales))
        self._estimators = {
            built.name: PoseEstimator(
                _StageView(shared, built.stage)
                if built.stage is not None
                else runtime.load(built.artefact, networks.threads),
                built.candidate.spec,
                scales,
            )
            for built in candidates
        }

    def people(self, image: NDArray[np.uint8], candidates: Sequence[Built]) -> Iterator[list[Person]]:
        """Per candidate, the people of an image (H, W, 3) BGR, in its pixels."""
        for built in candidates:
            yield self._estimators[built.name](image).people


class Image(Protocol):
    """A frame of a folder or of a video."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) BGR."""
        ...


ImageT = TypeVar("ImageT", bound=Image)


@dataclass(frozen=True)
class PeoplePass(Generic[ImageT]):
    """One pass over frames, in which the people of every frame are found and noted."""

    title: str
    """For the display of progress."""
    frames: Callable[[int], Iterable[ImageT]]
    """The frames from the n-th on."""
    count: int
    """How many frames there are in all."""
    scales: Sequence[float]
    fact: Callable[[ImageT, list[Person], Built], dict[str, Any]]
    """What the cache keeps of one candidate's people in one frame."""

    def run(self, networks: Networks, wanted: Mapping[str, Built], cache: FactCache, reporter: Reporter) -> None:
        """Notes, under the keys of `wanted`, what is not noted yet; frames before that are not read."""
        done = {key: len(cache.facts(key)) for key in wanted}
        start = min(done.values())
        if start >= self.count:
            return
        finder = Finder(networks, list(wanted.values()), self.scales)
        frames = reporter.track(self.frames(start), self.title, self.count, start)
        for index, frame in enumerate(frames, start):
            waiting = [key for key in wanted if done[key] <= index]
            found = finder.people(frame.image, [wanted[key] for key in waiting])
            for key, people in zip(waiting, found, strict=True):
                cache.add(key, self.fact(frame, people, wanted[key]))


class _StageView:
    """One stage of the teacher's all-stages session, as a session of its own."""

    def __init__(self, shared: "_SharedPass", stage: int) -> None:
        self._shared, self._names = shared, stage_outputs(stage)

    def run(self, image: Array) -> tuple[Array, Array]:
        """See eval.runtimes.Runs."""
        maps = self._shared(image)
        return maps[self._names[0]], maps[self._names[1]]


class _SharedPass:
    """Runs an input once, however many stages ask for it; keeps one image's inputs, one for each scale."""

    def __init__(self, session: Session, stages: Sequence[int], scales: int) -> None:
        self._session = session
        self._names = [name for stage in stages for name in stage_outputs(stage)]
        self._kept: deque[tuple[Array, dict[str, Array]]] = deque(maxlen=scales)

    def __call__(self, image: Array) -> dict[str, Array]:
        for seen, maps in self._kept:
            if np.array_equal(image, seen):
                return maps
        maps = dict(zip(self._names, self._session.outputs(image, self._names), strict=True))
        self._kept.append((image, maps))
        return maps


def to_fact(people: Sequence[Person]) -> list[dict[str, Any]]:
    """As the cache keeps them; a missing keypoint is null."""
    return [
        {
            "score": person.score,
            "keypoints": [None if row[2] <= 0 else [float(value) for value in row] for row in person.keypoints],
        }
        for person in people
    ]


def from_fact(people: Sequence[dict[str, Any]]) -> list[Person]:
    """What `to_fact` kept."""
    missing = (np.nan, np.nan, 0.0)
    return [
        Person(np.array([row or missing for row in person["keypoints"]], np.float32), person["score"])
        for person in people
    ]
