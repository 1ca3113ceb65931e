"""What every candidate costs in keypoints and in degrees, on consecutive frames of a video.

The reference is the teacher at the recipe's scales, whose one pass with all stages out gives the people of every stage
candidate; on disturbed copies of the clip it gives the noise floor. People found are noted frame by frame, so a killed
run goes on; those of the reference are kept for other runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from compress.common.fact_cache import FactCache, fact_key
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.measure import kept_people
from compress.measure.clip import Clip
from compress.measure.pose_inference import Networks, PeoplePass, from_fact, inference_key, to_fact
from eval.kinematic_columns import TrackPair
from eval.kinematic_fidelity import FidelitySettings, KinematicFidelity, compare, with_floor
from eval.kinematic_pairs import pair_people
from eval.kinematics import every_frame
from eval.oks import OksCounts, compare_people
from eval.people import Person
from eval.perturbations import PERTURBATIONS, PLAIN, Perturbation
from eval.track_choice import keep_people
from eval.tracks import Tracker
from eval.video import read_video
from eval.video_formats import TimedFrame
from teachers.skeleton import Skeleton

People = list[list[Person]]


@dataclass(frozen=True)
class ClipPlan:
    """Whose people are compared, and on which frames."""

    networks: Networks
    clip: Clip
    scales: tuple[float, ...]
    """Of the reference."""

    def key(self, built: Built, perturbation: Perturbation = PLAIN) -> str:
        """Under which the people of each frame are noted."""
        return people_key(built, self.clip, self.scales, perturbation)


def people_key(built: Built, clip: Clip, scales: tuple[float, ...], perturbation: Perturbation = PLAIN) -> str:
    """Under which the people that a candidate finds on each frame are noted; scales: of the reference."""
    where = (clip.digest, clip.start, clip.frames)
    return fact_key("people", 2, built.candidate.id, inference_key(built, scales), perturbation.name, where)


@dataclass(frozen=True)
class AngleErrorFacts:
    """One candidate against the teacher on the clip."""

    fidelity: KinematicFidelity
    people: OksCounts


def measure_angle_errors(plan: ClipPlan, cache: FactCache, reporter: Reporter) -> dict[str, AngleErrorFacts]:
    """Keypoints and angles of each candidate by name, beside the teacher's noise floor on the same clip.

    Raises UserError if the video cannot be read or has no frame in the range.
    """
    skeleton = plan.networks.teacher.candidate.spec.skeleton
    times = _find_people(plan, PLAIN, plan.networks.candidates, cache, reporter)
    for perturbation in PERTURBATIONS:
        _find_people(plan, perturbation, [plan.networks.teacher], cache, reporter)
    teacher = _people(cache, plan.key(plan.networks.teacher, PLAIN))
    tracks = _tracks(teacher, times)
    settings = FidelitySettings()

    def against(people: People) -> KinematicFidelity:
        return compare(_pairs(tracks, people, times, skeleton), skeleton, settings)

    jobs = len(PERTURBATIONS) + len(plan.networks.candidates)
    steps = iter(reporter.track(range(jobs), "joint angles compared", jobs, 0))
    floors = [
        against(_people(cache, plan.key(plan.networks.teacher, perturbation)))
        for perturbation, _ in zip(PERTURBATIONS, steps, strict=False)
    ]
    found = {}
    for built, _ in zip(plan.networks.candidates, steps, strict=False):
        people = _people(cache, plan.key(built, PLAIN))
        counts = sum((compare_people(*pair, skeleton) for pair in zip(teacher, people, strict=True)), OksCounts())
        found[built.name] = AngleErrorFacts(with_floor(against(people), floors), counts)
    next(steps, None)  # the last one is done, too
    return found


def _find_people(
    plan: ClipPlan, perturbation: Perturbation, candidates: Sequence[Built], cache: FactCache, reporter: Reporter
) -> NDArray[np.float64]:
    """Notes the people of every frame that is not noted yet; returns the times (T,) of the frames."""
    # By key: two candidates of the same content, under two names, are measured once.
    different = {plan.key(built, perturbation): built for built in candidates}
    reference = plan.key(plan.networks.teacher, perturbation)
    kept_people.take(reference, cache, plan.clip.frames)
    PeoplePass(
        title=f"people, {perturbation.name}",
        frames=lambda start: _frames(plan.clip, perturbation, start),
        count=plan.clip.frames,
        scales=plan.scales,
        fact=lambda frame, found, built: {
            "time_s": frame.time_s,
            "windows": len(found.looks),
            "passes": int(found.full_frame is not None),
            "decoding_s": found.parts.decoding_s,
            "people": to_fact(_restored(found.people, perturbation, frame, built)),
        },
        time_s=lambda frame: frame.time_s,
    ).run(plan.networks, different, cache, reporter)
    facts = cache.facts(reference)
    kept_people.keep(reference, facts)
    return np.array([fact["time_s"] for fact in facts], np.float64)


def _frames(clip: Clip, perturbation: Perturbation, start: int) -> Iterator[TimedFrame]:
    with read_video(clip.path) as reader:
        wanted = reader.pick(range(clip.start, clip.start + clip.frames))
        # Recompression depends on the frames before, so a continued run passes over what it has, not around it.
        yield from islice(perturbation.change(wanted), start, None)


def _restored(people: list[Person], perturbation: Perturbation, frame: TimedFrame, built: Built) -> list[Person]:
    """In pixels of the undisturbed frame."""
    hw, skeleton = (frame.image.shape[0], frame.image.shape[1]), built.candidate.spec.skeleton
    return [Person(perturbation.restore(person.keypoints, hw, skeleton), person.score) for person in people]


def _people(cache: FactCache, key: str) -> People:
    return [from_fact(fact["people"]) for fact in cache.facts(key)]


def _tracks(people: People, times: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The teacher's people over time: frame numbers (T,) and keypoints (T, K, 3), a row for every frame."""
    tracker = Tracker()
    for frame, (found, time_s) in enumerate(zip(people, times, strict=True)):
        tracker.update(found, float(time_s), frame)
    whole = [every_frame(t.frames, t.keypoints.astype(np.float64), times) for t in keep_people(tracker.tracks())]
    return [(frames, keypoints) for frames, _, keypoints in whole]


def _pairs(
    tracks: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    people: People,
    times: NDArray[np.float64],
    skeleton: Skeleton,
) -> Iterator[TrackPair]:
    for frames, keypoints in tracks:
        found = [[person.keypoints.astype(np.float64) for person in people[frame]] for frame in frames]
        yield TrackPair(times[frames], keypoints, pair_people(keypoints, found, skeleton))
