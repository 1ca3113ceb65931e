"""What a candidate is good for, in one word, and why not for more.

The limits are stricter than any published accuracy of video against markers, because a candidate's error comes on
top of its teacher's. 2 degrees is what gait analysis accepts without thought (McGinley et al. 2009).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from eval.angle_errors import AngleErrors
from eval.kinematic_fidelity import KinematicFidelity

TierName = Literal["transparent", "equivalent", "usable with care", "not for angles"]
JUDGED = ("knee", "hip", "shoulder", "elbow")


@dataclass(frozen=True)
class Tier:
    """Limits that the worst judged joint must keep, raw and filtered alike; None where a tier does not ask."""

    name: TierName
    median_abs_error: float
    p95_abs_error: float
    bias: float
    detection_rate: float
    error_over_noise: float | None
    gross_rate: float | None


TIERS = (
    Tier("transparent", 1.0, 3.0, 0.5, 0.99, error_over_noise=0.5, gross_rate=None),
    Tier("equivalent", 2.0, 5.0, 1.0, 0.98, error_over_noise=1.0, gross_rate=0.01),
    Tier("usable with care", 3.0, 10.0, 2.0, 0.95, error_over_noise=None, gross_rate=0.05),
)
WORST_TIER: TierName = "not for angles"
NO_SIDE_VIEW = "no person is seen from the side: from the front or the back there is no flexion to judge"


@dataclass(frozen=True)
class Verdict:
    """The best tier that is kept, what failed for the next better one, and on which joints; None: nothing to judge."""

    tier: TierName | None
    reasons: tuple[str, ...]
    joints: tuple[str, ...]
    """The joints that the teacher could measure at all."""


@dataclass(frozen=True)
class Worst:
    """The largest value of a field over the judged joints, and where it stands."""

    value: float
    joint: str
    series: Literal["raw", "filtered"]


def judge(fidelity: KinematicFidelity) -> Verdict:
    """The tier of a candidate from the worst of knee, hip, shoulder and elbow, raw and filtered."""
    series = list(_series(fidelity))
    joints = tuple(dict.fromkeys(joint for joint, _, _ in series))
    if fidelity.front is not None and not fidelity.side_frames:
        return Verdict(None, (NO_SIDE_VIEW,), ())
    if not series:
        return Verdict(None, ("the teacher could measure neither knee, hip, shoulder nor elbow",), ())
    reasons: tuple[str, ...] = ()
    for tier in TIERS:
        failed = tuple(
            f"{tier.name}: {joint} {name} {reason}"
            for joint, name, errors in series
            for reason in _failed(errors, tier)
        ) + tuple(f"{tier.name}: {reason}" for reason in _doubled(fidelity, tier))
        if not failed:
            return Verdict(tier.name, reasons, joints)
        reasons = failed
    return Verdict(WORST_TIER, reasons, joints)


def worst(fidelity: KinematicFidelity, field: str, only: Literal["raw", "filtered"] | None = None) -> Worst | None:
    """The largest (by size) of a field of which more is worse, over the judged joints; None where none was measured."""
    found = [
        Worst(value, joint, name)
        for joint, name, errors in _series(fidelity)
        if only in (None, name) and (value := getattr(errors, field)) is not None
    ]
    return max(found, key=lambda each: abs(each.value), default=None)


def worst_velocity(
    fidelity: KinematicFidelity, field: Literal["velocity_rmse", "velocity_median"] = "velocity_rmse"
) -> Worst | None:
    """The largest error of the angular velocity, deg/s, over the judged joints."""
    found = [
        Worst(value, joint, "filtered")
        for joint in JUDGED
        if joint in fidelity.joints and (value := getattr(fidelity.joints[joint].motion, field)) is not None
    ]
    return max(found, key=lambda each: each.value, default=None)


def _series(fidelity: KinematicFidelity) -> Iterator[tuple[str, Literal["raw", "filtered"], AngleErrors]]:
    for joint in JUDGED:
        found = fidelity.joints.get(joint)
        if found is not None and found.raw.n_measurable:
            yield joint, "raw", found.raw
            yield joint, "filtered", found.filtered


def _doubled(fidelity: KinematicFidelity, tier: Tier) -> Iterator[str]:
    """Limbs that the candidate doubles more often than the teacher, by more than the tier lets it lose."""
    teacher, candidate = fidelity.labels.get("teacher", {}), fidelity.labels.get("candidate", {})
    for limb, counts in candidate.items():
        own = teacher[limb].doubled_share if limb in teacher else 0.0
        if counts.doubled_share - own > 1 - tier.detection_rate:
            yield f"{limb} doubled on {counts.doubled_share:.3f} of the frames, by the teacher on {own:.3f}"


def _failed(errors: AngleErrors, tier: Tier) -> Iterator[str]:
    limits: Mapping[str, float | None] = {
        "median_abs_error": tier.median_abs_error,
        "p95_abs_error": tier.p95_abs_error,
        "bias": tier.bias,
        "error_over_noise": tier.error_over_noise,
        "gross_rate": tier.gross_rate,
    }
    for name, limit in limits.items():
        if limit is None:
            continue
        value = getattr(errors, name)
        if value is None:
            yield f"{name} not measured: {errors.reason}"
        elif abs(value) > limit:
            yield f"{name} {abs(value):.3g} > {limit:g}"
    if errors.detection_rate is None or errors.detection_rate < tier.detection_rate:
        yield f"detection_rate {errors.detection_rate or 0:.3f} < {tier.detection_rate:g}"
