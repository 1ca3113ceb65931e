"""Joint angles as facts, read from records.

A record keeps each joint as eval.kinematic_fidelity.JointFidelity in plain JSON. It is read here by name and not by
that class, so that a report needs neither video nor filters, and an older record still opens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from compress.measure.kinematics import Kinematics
from compress.results.records import Record
from compress.results.seen_facts import NOTHING_TOLD, SeenFacts, seen_facts

T = TypeVar("T")

JOINTS = ("knee", "hip", "shoulder", "elbow")
"""Both sides together; these decide the tier, as in eval.kinematic_tiers."""
Series = Literal["raw", "filtered"]
SERIES: tuple[Series, ...] = ("raw", "filtered")


@dataclass(frozen=True)
class ErrorFacts:
    """Errors of one joint's angle in degrees; rates are shares of frames. None was not measured."""

    n: int | None
    detection_rate: float | None
    median: float | None
    p95: float | None
    rmse: float | None
    bias: float | None
    loa: tuple[float, float] | None
    """95% limits of agreement: 2.5th and 97.5th percentile of the error. The noise floor has none."""
    gross_rate: float | None
    """Share of frames that are 20 degrees off or more."""
    error_over_noise: float | None
    """Median error over the noise floor's; 1 for the floor itself."""
    reason: str | None = None
    """Why nothing was measured, if nothing was."""


@dataclass(frozen=True)
class MotionFacts:
    """How the movement changed: degrees, deg/s, candidate over teacher, share of frames."""

    rom_error: float | None
    velocity_rmse: float | None
    jitter_ratio: float | None
    lr_swap_rate: float | None
    velocity_median: float | None = None


@dataclass(frozen=True)
class JointFacts:
    joint: str
    raw: ErrorFacts
    filtered: ErrorFacts
    motion: MotionFacts

    def errors(self, series: Series) -> ErrorFacts:
        return self.raw if series == "raw" else self.filtered


@dataclass(frozen=True)
class Headline:
    """The worst of the judged joints, raw and filtered, and how well people were found again."""

    median_deg: float | None
    p95_deg: float | None
    rmse_deg: float | None
    error_over_noise: float | None
    velocity_rmse_deg_s: float | None
    oks: float | None
    people_recall: float | None
    velocity_median_deg_s: float | None = None


@dataclass(frozen=True)
class AngleFacts:
    """One candidate, or the teacher's noise floor: the teacher against itself on disturbed copies of the clip."""

    names: tuple[str, ...]
    """The candidate; of a noise floor, the candidates that it stands beside."""
    headline: Headline
    joints: tuple[JointFacts, ...]
    tier: str | None = None
    tier_reasons: tuple[str, ...] = ()
    front: tuple[JointFacts, ...] = ()
    """Of the frames seen from the front or the back: no flexion, and never part of the tier."""
    seen: SeenFacts = NOTHING_TOLD

    def joint(self, name: str) -> JointFacts | None:
        return next((joint for joint in self.joints if joint.joint == name), None)


@dataclass(frozen=True)
class ClipFacts:
    """What the angles were compared on; what a velocity error must be read with."""

    clip: str
    first_frame: int | None
    frames: int
    scales: tuple[float, ...]
    """Of the reference: network input height over 368."""
    tracks: int
    fps: float | None
    low_pass: str | None
    perturbations: int | None
    absent: tuple[tuple[str, str], ...]
    """Measures that the skeleton does not allow, and why."""


@dataclass(frozen=True)
class JointSpan:
    """A candidate in one panel of the plot: filtered |error| in degrees, and the noise floor's."""

    name: str
    median: float | None
    p95: float | None
    floor_median: float | None
    floor_p95: float | None


@dataclass(frozen=True)
class KinematicsView:
    """One run's joint angles."""

    rows: tuple[AngleFacts, ...]
    """The candidates that were measured, without the teacher."""
    noise: tuple[AngleFacts, ...]
    """More than one if the candidates were not all measured beside the same floor."""
    clips: tuple[tuple[ClipFacts, tuple[str, ...]], ...]
    """Each clip and setting, with the names measured on it; more than one means mixed conditions."""

    def row(self, name: str) -> AngleFacts | None:
        return next((row for row in self.rows if row.names == (name,)), None)

    def floor_of(self, name: str) -> AngleFacts | None:
        return next((floor for floor in self.noise if name in floor.names), None)

    def panels(self) -> tuple[tuple[str, tuple[JointSpan, ...]], ...]:
        """Joint -> what the plot shows of every candidate; joints without any measurement are left out."""
        found = ((joint, tuple(self._span(row, joint) for row in self.rows)) for joint in JOINTS)
        return tuple((joint, spans) for joint, spans in found if any(span.median is not None for span in spans))

    def _span(self, row: AngleFacts, name: str) -> JointSpan:
        floor = self.floor_of(row.names[0])
        own, noise = row.joint(name), None if floor is None else floor.joint(name)
        return JointSpan(
            row.names[0],
            None if own is None else own.filtered.median,
            None if own is None else own.filtered.p95,
            None if noise is None else noise.filtered.median,
            None if noise is None else noise.filtered.p95,
        )


def kinematics_view(records: Sequence[Record]) -> KinematicsView | None:
    """Looks at every record that finished; None if no angles were measured."""
    found = [(r, facts) for r in records if (facts := r.facts(Kinematics)) is not None and not r.error]
    if not found:
        return None
    rows = tuple(_candidate(record.name, facts) for record, facts in found if record.role != "teacher")
    floors = _grouped([(record.name, (_floor_joints(facts.joints), _front_floor(facts))) for record, facts in found])
    return KinematicsView(
        rows=rows,
        noise=tuple(AngleFacts(names, _worst(joints), joints, front=front) for (joints, front), names in floors),
        clips=_grouped([(record.name, _clip(facts)) for record, facts in found]),
    )


def _grouped(named: Sequence[tuple[str, T]]) -> tuple[tuple[T, tuple[str, ...]], ...]:
    """Equal facts once, with all their names."""
    groups: list[tuple[T, tuple[str, ...]]] = []
    for name, fact in named:
        at = next((place for place, (known, _) in enumerate(groups) if known == fact), None)
        if at is None:
            groups.append((fact, (name,)))
        else:
            groups[at] = (fact, (*groups[at][1], name))
    return tuple(groups)


def _candidate(name: str, facts: Kinematics) -> AngleFacts:
    joints = tuple(_own(joint, facts.joints[joint]) for joint in JOINTS if joint in facts.joints)
    headline = Headline(
        median_deg=facts.median_deg,
        p95_deg=facts.p95_deg,
        rmse_deg=facts.rmse_deg,
        error_over_noise=facts.error_over_noise,
        velocity_rmse_deg_s=facts.velocity_rmse_deg_s,
        oks=facts.oks,
        people_recall=facts.people_recall,
        velocity_median_deg_s=facts.velocity_median_deg_s,
    )
    shown = {} if facts.front is None else facts.front.joints
    front = tuple(_own(joint, shown[joint]) for joint in JOINTS if joint in shown)
    return AngleFacts((name,), headline, joints, facts.tier, facts.tier_reasons, front, seen_facts(facts))


def _own(name: str, joint: Mapping[str, Any]) -> JointFacts:
    raw, filtered = (_errors(_part(joint, series), "") for series in SERIES)
    return JointFacts(name, raw, filtered, _motion(_part(joint, "motion"), ""))


def _front_floor(facts: Kinematics) -> tuple[JointFacts, ...]:
    return () if facts.front is None else _floor_joints(facts.front.joints)


def _floor_joints(measured: Mapping[str, Mapping[str, Any]]) -> tuple[JointFacts, ...]:
    joints = []
    for name in JOINTS:
        parts = measured.get(name, {})
        raw, filtered, motion = (_part(_part(parts, part), "floor") for part in (*SERIES, "motion"))
        if raw or filtered or motion:
            joints.append(
                JointFacts(name, _errors(raw, "floor_"), _errors(filtered, "floor_"), _motion(motion, "floor_"))
            )
    return tuple(joints)


def _errors(facts: Mapping[str, Any], prefix: str) -> ErrorFacts:
    median, loa, n = _number(facts, f"{prefix}median_abs_error"), facts.get("loa"), _number(facts, "n")
    reason = facts.get("reason")
    return ErrorFacts(
        n=None if n is None else int(n),
        detection_rate=_number(facts, f"{prefix}detection_rate"),
        median=median,
        p95=_number(facts, f"{prefix}p95_abs_error"),
        rmse=_number(facts, f"{prefix}rmse"),
        bias=_number(facts, f"{prefix}bias"),
        loa=None if loa is None else (float(loa[0]), float(loa[1])),
        gross_rate=_number(facts, f"{prefix}gross_rate"),
        error_over_noise=(None if median is None else 1.0) if prefix else _number(facts, "error_over_noise"),
        reason=reason if isinstance(reason, str) else None,
    )


def _motion(facts: Mapping[str, Any], prefix: str) -> MotionFacts:
    names = ("rom_error", "velocity_rmse", "jitter_ratio", "lr_swap_rate", "velocity_median")
    return MotionFacts(*(_number(facts, prefix + name) for name in names))


def _part(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else None


def _worst(joints: Sequence[JointFacts]) -> Headline:
    """The floor's headline, by the rule of the candidates'; OKS stays empty, because no people are matched in it."""
    errors = [joint.errors(series) for joint in joints for series in SERIES]

    def largest(read: Callable[[ErrorFacts], float | None]) -> float | None:
        return max((value for each in errors if (value := read(each)) is not None), default=None)

    motions = [joint.motion for joint in joints]
    return Headline(
        median_deg=largest(lambda each: each.median),
        p95_deg=largest(lambda each: each.p95),
        rmse_deg=largest(lambda each: each.rmse),
        error_over_noise=largest(lambda each: each.error_over_noise),
        velocity_rmse_deg_s=max((m.velocity_rmse for m in motions if m.velocity_rmse is not None), default=None),
        velocity_median_deg_s=max((m.velocity_median for m in motions if m.velocity_median is not None), default=None),
        oks=None,
        people_recall=None,
    )


def _clip(facts: Kinematics) -> ClipFacts:
    told = facts.conditions
    first, count, low_pass = _number(told, "first_frame"), _number(told, "perturbations"), told.get("low_pass")
    return ClipFacts(
        clip=facts.clip,
        first_frame=None if first is None else int(first),
        frames=facts.frames,
        scales=tuple(told.get("reference_scales", ())),
        tracks=facts.tracks,
        # A rate computed from time stamps carries rounding; a thousandth of a frame per second makes no other clip.
        fps=None if facts.fps is None else round(facts.fps, 3),
        low_pass=low_pass if isinstance(low_pass, str) else None,
        perturbations=None if count is None else int(count),
        absent=tuple((name, str(why)) for name, why in sorted(_part(told, "absent").items())),
    )
