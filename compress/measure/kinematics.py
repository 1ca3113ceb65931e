"""Kinematic fidelity -> what a record keeps of it: the headline numbers, and every joint's in full."""

from dataclasses import asdict
from typing import Any

from compress.measure.angle_error import Degrees
from compress.measure.clip import Clip
from compress.results.records import FrontView, Kinematics
from eval.kinematic_fidelity import KinematicFidelity
from eval.kinematic_labels import Labels
from eval.kinematic_tiers import judge, worst, worst_velocity


def kinematic_facts(degrees: Degrees, clip: Clip) -> Kinematics:
    """The worst of knee, hip, shoulder and elbow, raw and filtered, and the tier that follows."""
    fidelity, people = degrees.fidelity, degrees.people
    verdict = judge(fidelity)
    velocity = worst_velocity(fidelity)
    rate = fidelity.conditions.get("fps")
    tracks = fidelity.conditions.get("tracks")
    return Kinematics(
        clip=clip.name,
        frames=clip.frames,
        tracks=tracks if isinstance(tracks, int) else 0,
        fps=rate if isinstance(rate, float) else None,
        oks=people.oks,
        people_recall=people.people_recall,
        median_deg=_worst(fidelity, "median_abs_error"),
        p95_deg=_worst(fidelity, "p95_abs_error"),
        rmse_deg=_worst(fidelity, "rmse"),
        error_over_noise=_worst(fidelity, "error_over_noise"),
        velocity_rmse_deg_s=None if velocity is None else velocity.value,
        tier=verdict.tier,
        tier_reasons=verdict.reasons,
        joints={name: asdict(joint) for name, joint in fidelity.joints.items()},
        views=dict(fidelity.views),
        labels=_plain(fidelity.labels),
        front=None
        if fidelity.front is None
        else FrontView(
            frames=fidelity.front.frames,
            joints={name: asdict(joint) for name, joint in fidelity.front.joints.items()},
            labels=_plain(fidelity.front.labels),
        ),
        conditions={
            "first_frame": clip.start,
            "scale": clip.scale,
            "absent": dict(fidelity.absent),
            **fidelity.conditions,
        },
    )


def _plain(labels: Labels) -> dict[str, dict[str, dict[str, int | None]]]:
    return {network: {limb: asdict(each) for limb, each in limbs.items()} for network, limbs in labels.items()}


def _worst(fidelity: KinematicFidelity, field: str) -> float | None:
    found: Any = worst(fidelity, field)
    return None if found is None else found.value
