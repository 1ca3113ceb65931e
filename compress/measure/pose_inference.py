"""The people that each candidate finds in an image; the teacher's one pass answers for all of its stages.

Stage t of the teacher is the candidate with t stages, so its session with all stages out is run once for each input.
What was found goes to the cache image by image.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from compress.common.fact_cache import FactCache
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.export.onnx_export import stage_outputs
from eval.frame_finder import FrameFinder, frame_finder, people_of_still
from eval.frame_people import FramePeople, Parts
from eval.inference import Inference
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
    """The networks, loaded once, each run as its `inference` says."""

    def __init__(self, networks: Networks, candidates: Sequence[Built], scales: Sequence[float]) -> None:
        """`candidates`: those of them that are wanted. scales: of those that have no `inference` of their own."""
        self._threads, self._all_stages = networks.threads, networks.all_stages
        self._stages: dict[str, tuple[int, PoseEstimator]] = {}
        self._alone: dict[str, FrameFinder] = {}
        for built in candidates:
            inference = built.inference or Inference(scales=tuple(scales))
            if built.stage is not None and inference.scales is not None:
                shared = PoseEstimator(_NoSession(), built.candidate.spec, inference.scales)
                self._stages[built.name] = (built.stage, shared)
            else:
                session = RUNTIMES["onnxruntime"].load(built.artefact, networks.threads)
                self._alone[built.name] = frame_finder(session, built.candidate.spec, inference)

    def people(
        self, image: NDArray[np.uint8], candidates: Sequence[Built], time_s: float | None
    ) -> Iterator[FramePeople]:
        """What each candidate finds in an image (H, W, 3) BGR, in its pixels.

        time_s: of a frame of a video, frame after frame; None for a photograph by itself.
        """
        by_scale: dict[float, dict[str, Array]] = {}
        for built in candidates:
            if built.name in self._stages:
                stage, estimator = self._stages[built.name]
                for scale in estimator.scales:
                    if scale not in by_scale:
                        by_scale[scale] = self._all_maps(estimator.network_input(image, scale))
                heatmaps, pafs = stage_outputs(stage)
                maps = [(by_scale[scale][heatmaps], by_scale[scale][pafs]) for scale in estimator.scales]
                found = estimator.estimate(maps, (image.shape[0], image.shape[1]), 0.0)
                yield FramePeople(found.people, Parts(decoding_s=found.decoding_s), full_frame=found)
            elif time_s is None:
                yield people_of_still(self._alone[built.name], image)
            else:
                yield self._alone[built.name](image, time_s)

    def _all_maps(self, pixels: Array) -> dict[str, Array]:
        names = [name for stage in self._wanted_stages for name in stage_outputs(stage)]
        return dict(zip(names, self._shared.outputs(pixels, names), strict=True))

    @cached_property
    def _shared(self) -> Session:
        return RUNTIMES["onnxruntime"].load(self._all_stages, self._threads)

    @cached_property
    def _wanted_stages(self) -> list[int]:
        return sorted({stage for stage, _ in self._stages.values()})


class _NoSession:
    """Of an estimator whose maps come from elsewhere."""

    def run(self, image: Array) -> tuple[Array, Array]:
        """Never called."""
        raise AssertionError("the maps are those of the shared pass")


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
    """At which candidates without an `inference` of their own are run."""
    fact: Callable[[ImageT, FramePeople, Built], dict[str, Any]]
    """What the cache keeps of one candidate's people in one frame."""
    time_s: Callable[[ImageT], float] | None = None
    """Of a frame of a video; None for photographs."""

    def run(self, networks: Networks, wanted: Mapping[str, Built], cache: FactCache, reporter: Reporter) -> None:
        """Notes, under the keys of `wanted`, what is not noted yet; frames before that are not read.

        A window that follows people depends on the frames before, so such a candidate goes through all of them again.
        """
        done = {key: len(cache.facts(key)) for key in wanted}
        begin = {key: self._begin(wanted[key], done[key]) for key in wanted}
        start = min(begin.values())
        if start >= self.count:
            return
        finder = Finder(networks, [wanted[key] for key in wanted if begin[key] < self.count], self.scales)
        frames = reporter.track(self.frames(start), self.title, self.count, start)
        for index, frame in enumerate(frames, start):
            waiting = [key for key in wanted if begin[key] <= index]
            time_s = None if self.time_s is None else self.time_s(frame)
            found = finder.people(frame.image, [wanted[key] for key in waiting], time_s)
            for key, people in zip(waiting, found, strict=True):
                if done[key] <= index:
                    cache.add(key, self.fact(frame, people, wanted[key]))

    def _begin(self, built: Built, done: int) -> int:
        """The first frame that is needed of it."""
        follows = self.time_s is not None and built.inference is not None and built.inference.roi is not None
        return 0 if follows and done < self.count else done


def inference_key(built: Built, scales: Sequence[float]) -> dict[str, Any]:
    """How it is run, for the key of a fact; scales: where it does not say so itself."""
    inference = built.inference or Inference(scales=tuple(scales))
    return inference.model_dump(mode="json", exclude_none=True)


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
