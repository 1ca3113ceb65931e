"""Records -> the report's facts about joint angles.

A record keeps each joint as eval.kinematic_fidelity.JointFidelity in plain JSON. It is read here by name and not by
that class, so that a report needs neither video nor filters, and an older record still opens.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from compress.report.kinematic_ranks import rank_agreements
from compress.report.kinematics import (
    JOINTS,
    SERIES,
    AngleFacts,
    ClipFacts,
    ErrorFacts,
    Headline,
    JointFacts,
    KinematicsView,
    MotionFacts,
)
from compress.results.records import Kinematics, Record

T = TypeVar("T")


def kinematics_view(records: Sequence[Record]) -> KinematicsView | None:
    """Looks at every record that finished; None if nobody's angles were measured."""
    found = [(r, r.measurement.kinematics) for r in records if r.measurement.kinematics is not None and not r.error]
    if not found:
        return None
    rows = tuple(_candidate(record.name, facts) for record, facts in found if record.role != "teacher")
    floors = _grouped([(record.name, _floor_joints(facts)) for record, facts in found])
    return KinematicsView(
        rows=rows,
        noise=tuple(AngleFacts(names, _worst(joints), joints) for joints, names in floors),
        clips=_grouped([(record.name, _clip(facts)) for record, facts in found]),
        ranks=rank_agreements([record for record, _ in found if record.role != "teacher"]),
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
    )
    return AngleFacts((name,), headline, joints, facts.tier, facts.tier_reasons)


def _own(name: str, joint: Mapping[str, Any]) -> JointFacts:
    raw, filtered = (_errors(_part(joint, series), "") for series in SERIES)
    return JointFacts(name, raw, filtered, _motion(_part(joint, "motion"), ""))


def _floor_joints(facts: Kinematics) -> tuple[JointFacts, ...]:
    joints = []
    for name in JOINTS:
        parts = facts.joints.get(name, {})
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
    names = ("rom_error", "velocity_rmse", "jitter_ratio", "lr_swap_rate")
    return MotionFacts(*(_number(facts, prefix + name) for name in names))


def _part(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else None


def _worst(joints: Sequence[JointFacts]) -> Headline:
    """The floor's headline, by the rule of the candidates'; nobody is found again in it, so OKS stays empty."""
    errors = [joint.errors(series) for joint in joints for series in SERIES]

    def largest(read: Callable[[ErrorFacts], float | None]) -> float | None:
        return max((value for each in errors if (value := read(each)) is not None), default=None)

    velocities = [joint.motion.velocity_rmse for joint in joints if joint.motion.velocity_rmse is not None]
    return Headline(
        median_deg=largest(lambda each: each.median),
        p95_deg=largest(lambda each: each.p95),
        rmse_deg=largest(lambda each: each.rmse),
        error_over_noise=largest(lambda each: each.error_over_noise),
        velocity_rmse_deg_s=max(velocities, default=None),
        oks=None,
        people_recall=None,
    )


def _clip(facts: Kinematics) -> ClipFacts:
    told = facts.conditions
    first, count, low_pass = _number(told, "first_frame"), _number(told, "disturbances"), told.get("low_pass")
    scale = _number(told, "scale")
    return ClipFacts(
        clip=facts.clip,
        first_frame=None if first is None else int(first),
        frames=facts.frames,
        scale=None if scale is None else float(scale),
        tracks=facts.tracks,
        # A rate computed from time stamps carries rounding; a thousandth of a frame per second makes no other clip.
        fps=None if facts.fps is None else round(facts.fps, 3),
        low_pass=low_pass if isinstance(low_pass, str) else None,
        disturbances=None if count is None else int(count),
        absent=tuple((name, str(why)) for name, why in sorted(_part(told, "absent").items())),
    )
