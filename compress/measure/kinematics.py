"""Keypoints and joint angles of every candidate against the teacher's, on consecutive frames of a video."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

from pydantic import Field

from compress.common.fields import Text
from compress.core.built import Built
from compress.measure.angle_error import AngleErrorFacts, ClipPlan, measure_angle_errors
from compress.measure.base import MeasureContext, Metric
from compress.measure.clip import FEWEST_FRAMES, Clip, open_clip, require_video
from compress.measure.facts import Column, Count, Facts, Found, MetricFacts
from compress.measure.frames import Data
from compress.measure.pose_inference import Networks
from compress.steps.base import SettingError
from eval.kinematic_fidelity import KinematicFidelity
from eval.kinematic_labels import Labels
from eval.kinematic_tiers import judge, worst, worst_velocity
from teachers.common.errors import UserError

_QUICK_LOOK = f"joint angles need {FEWEST_FRAMES} frames of video, and data.images allows fewer: a quick look"


LabelFrames = dict[str, dict[str, dict[str, int | None]]]
"""teacher, candidate -> legs, arms -> frames, and those in which labels were exchanged, doubled, lost."""


class FrontView(Facts):
    """Joint angles of the frames in which people are seen from the front or the back; they decide nothing."""

    frames: Count
    """Summed over people."""
    joints: dict[str, dict[str, Any]]
    labels: LabelFrames


class Kinematics(MetricFacts):
    """Keypoints and joint angles against the reference's on consecutive frames of one video.

    The reference is the teacher at the recipe's scales; each candidate is run as it says.

    The headline numbers, the tier and `joints` are of people seen from the side: the worst of knee, hip, shoulder and
    elbow, raw and filtered (docs/kinematics.md).
    """

    key: ClassVar[str] = "kinematics"
    clip: str
    frames: Count
    tracks: Count
    fps: float | None
    oks: float | None
    """Mean object keypoint similarity of the people found again."""
    people_recall: float | None
    """Share of the teacher's people that were found again."""
    median_deg: float | None
    p95_deg: float | None
    rmse_deg: float | None
    error_over_noise: float | None
    """Median error over the teacher's own on disturbed copies of the clip: below 1 is inside its noise."""
    velocity_rmse_deg_s: float | None
    tier: str | None
    tier_reasons: tuple[str, ...]
    """What kept it from the next better tier."""
    joints: dict[str, dict[str, Any]]
    """Per joint: every number of the metric, raw and filtered, with the noise floor beside it."""
    conditions: dict[str, Any]
    views: dict[str, int] = Field(default_factory=dict)
    """right, left (which way people face), front, back -> frames, summed over people."""
    labels: LabelFrames = Field(default_factory=dict)
    front: FrontView | None = None
    """None where no person is seen from the front or the back."""
    velocity_median_deg_s: float | None = None
    """Of the joint with the largest one: a few frames decide `velocity_rmse_deg_s`, and none of them this."""


class KinematicsMetric(Metric):
    """On which consecutive frames of a video joint angles are compared."""

    key: ClassVar[str] = "kinematics"
    description: ClassVar[str] = "Keypoints and joint angles on a video, in degrees; false leaves them out."
    per_frame: ClassVar[bool] = True
    sources: ClassVar[tuple[str, ...]] = ("video",)
    facts: ClassVar[type[MetricFacts]] = Kinematics
    columns: ClassVar[tuple[Column[Kinematics], ...]] = (
        Column("oks", lambda found: found.oks, "OKS against the teacher's people", better="larger"),
        Column(
            "people_recall",
            lambda found: found.people_recall,
            "share of the teacher's people found again",
            better="larger",
            form="percent",
        ),
        Column(
            "angle_median_deg",
            lambda found: found.median_deg,
            "median angle error of the worst joint",
            "deg",
            "smaller",
            "degrees",
        ),
        Column(
            "angle_p95_deg",
            lambda found: found.p95_deg,
            "P95 angle error of the worst joint",
            "deg",
            "smaller",
            "degrees",
        ),
        Column(
            "angle_rmse_deg",
            lambda found: found.rmse_deg,
            "RMS angle error of the worst joint",
            "deg",
            "smaller",
            "degrees",
        ),
        Column(
            "angle_error_over_noise",
            lambda found: found.error_over_noise,
            "angle error over the teacher's noise",
            better="smaller",
        ),
        Column("kinematic_tier", lambda found: found.tier),
        Column(
            "angular_velocity_rmse_deg_s",
            lambda found: found.velocity_rmse_deg_s,
            "RMS error of the angular velocity",
            "deg/s",
            "smaller",
        ),
        Column(
            "angular_velocity_median_deg_s",
            lambda found: found.velocity_median_deg_s,
            "median error of the angular velocity",
            "deg/s",
            "smaller",
        ),
    )

    video: Annotated[
        Text | None, Field(description="A video or a built-in sample; left out, `data.source` if that is a video.")
    ] = None
    start: Annotated[int, Field(ge=0, description="The first frame, counted from 0.")] = 0
    frames: Annotated[
        int,
        Field(
            ge=FEWEST_FRAMES,
            le=100_000,
            description="At most, and at most data.images; more show rare large errors surely.",
        ),
    ] = 75

    def check_source(self, source: str | None) -> None:
        """Joint angles over time need a video."""
        name = self.video or source
        if name is None:
            return
        try:
            require_video(name)
        except (UserError, OSError) as error:
            raise SettingError("video" if self.video else "", " ".join(str(error).split())) from error

    def open(self, data: Data) -> Clip | None:
        """The clip; None for a quick look, whose few images leave too few frames."""
        return open_clip(self.video or data.source, self.start, min(self.frames, data.images))

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Kinematics]]:
        clip = context.opened_for(self, Clip)
        if clip is None:
            return {one.name: Found(None, {"oks": _QUICK_LOOK}) for one in built}
        networks = Networks(built[0], built, context.all_stages, context.threads)
        degrees = measure_angle_errors(ClipPlan(networks, clip, context.scales), context.cache, context.reporter)
        facts = {name: _facts(found, clip, context.scales) for name, found in degrees.items()}
        return {name: Found(found, _missing(found)) for name, found in facts.items()}


def _missing(facts: Kinematics) -> dict[str, str]:
    """Why columns are empty although they were asked for."""
    reasons = {}
    if facts.oks is None:
        reasons["oks"] = "none of the teacher's people was found again on the clip"
    if facts.people_recall is None:
        reasons["people_recall"] = "the teacher found no person on the clip"
    if facts.error_over_noise is None:
        reasons["angle_error_over_noise"] = "the teacher's noise floor could not be measured for every judged joint"
    if facts.median_deg is None:
        reasons["angle_median_deg"] = "no joint angle could be compared on the clip"
    return reasons


def _facts(degrees: AngleErrorFacts, clip: Clip, scales: Sequence[float]) -> Kinematics:
    """The worst of knee, hip, shoulder and elbow, raw and filtered, and the tier that follows."""
    fidelity, people = degrees.fidelity, degrees.people
    verdict = judge(fidelity)
    velocity, usual = worst_velocity(fidelity), worst_velocity(fidelity, "velocity_median")
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
        velocity_median_deg_s=None if usual is None else usual.value,
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
            "reference_scales": list(scales),
            "absent": dict(fidelity.absent),
            **fidelity.conditions,
        },
    )


def _plain(labels: Labels) -> dict[str, dict[str, dict[str, int | None]]]:
    return {network: {limb: asdict(each) for limb, each in limbs.items()} for network, limbs in labels.items()}


def _worst(fidelity: KinematicFidelity, field: str) -> float | None:
    found: Any = worst(fidelity, field)
    return None if found is None else found.value
