"""What the report says of joint angles, as facts: there before anything is drawn or worded."""

from dataclasses import dataclass
from typing import Literal

from compress.report.kinematic_ranks import RankAgreement

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


@dataclass(frozen=True)
class AngleFacts:
    """One candidate, or the teacher's noise floor: the teacher against itself on disturbed copies of the clip."""

    names: tuple[str, ...]
    """The candidate; of a noise floor, the candidates that it stands beside."""
    headline: Headline
    joints: tuple[JointFacts, ...]
    tier: str | None = None
    tier_reasons: tuple[str, ...] = ()

    def joint(self, name: str) -> JointFacts | None:
        return next((joint for joint in self.joints if joint.joint == name), None)


@dataclass(frozen=True)
class ClipFacts:
    """What the angles were compared on; what a velocity error must be read with."""

    clip: str
    first_frame: int | None
    frames: int
    scale: float | None
    """Network input height over 368."""
    tracks: int
    fps: float | None
    low_pass: str | None
    disturbances: int | None
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
    ranks: tuple[RankAgreement, ...]

    @property
    def draws_ranks(self) -> bool:
        """Whether the first pair of columns has enough candidates for a plot."""
        return len(self.ranks[0].points) > 1

    def row(self, name: str) -> AngleFacts | None:
        return next((row for row in self.rows if row.names == (name,)), None)

    def floor_of(self, name: str) -> AngleFacts | None:
        return next((floor for floor in self.noise if name in floor.names), None)

    def panels(self) -> tuple[tuple[str, tuple[JointSpan, ...]], ...]:
        """Joint -> what the plot shows of every candidate; joints that nobody could be measured at are left out."""
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
