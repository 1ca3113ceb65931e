"""How a candidate changes the movement itself: range, peak, velocity, jitter, exchanged sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.angles import Array, wrap
from eval.filters import Mask

FEWEST_FRAMES = 10
"""A range of motion from fewer frames of a track says nothing."""

MOTION_FIELDS = (
    "rom_error",
    "peak_error",
    "velocity_rmse",
    "velocity_median",
    "velocity_nrmse",
    "jitter_ratio",
    "lr_swap_rate",
    "facing_disagreement",
)


@dataclass(frozen=True)
class Column:
    """One measure on one track: (T,) series of teacher and candidate, and the frames that count."""

    track: int
    period: float
    times: Array
    raw: tuple[Array, Array]
    """Teacher, candidate; degrees."""
    filtered: tuple[Array, Array]
    velocity: tuple[Array, Array]
    measurable: Mask
    """The teacher saw the angle, on segments long enough."""
    doubled: Mask
    """(T,) the candidate's label of one of its keypoints sat on the other limb and was dropped."""
    unmeasured: Mask
    """(T,) the teacher did not see the angle."""
    short: Mask
    """(T,) it did, on segments too short."""
    swap: tuple[Mask, Mask] | None
    """Frames in which a swap of the limb's sides could be told, and in which it happened; None for the trunk."""
    facing: tuple[Mask, Mask]
    """Frames in which both show which way the person faces, and in which they differ."""

    @property
    def found(self) -> Mask:
        """The frames that are compared; a filled frame is none, whichever side was filled."""
        return self.measurable & np.isfinite(self.raw[1])

    def error(self, series: tuple[Array, Array]) -> Array:
        """(T,) candidate minus teacher, the short way round."""
        return wrap(series[1] - series[0], self.period)


@dataclass(frozen=True)
class Motion:
    """Candidate against teacher over all tracks of a joint; None where it could not be measured."""

    rom_error: float | None
    """Degrees: P97.5 - P2.5 of the filtered angle, candidate minus teacher, mean over tracks."""
    peak_error: float | None
    """Degrees: largest filtered angle, candidate minus teacher, mean over tracks."""
    velocity_rmse: float | None
    """deg/s, on the filtered series; read it with frame rate and cut-off. A few frames decide it."""
    velocity_nrmse: float | None
    """velocity_rmse over the teacher's 95th percentile of |velocity|."""
    jitter_ratio: float | None
    """RMS second difference of the raw angle, candidate over teacher."""
    lr_swap_rate: float | None
    """Share of the frames with the limb's sides apart in which the candidate has them exchanged, after the repair."""
    facing_disagreement: float | None
    """Share of frames in which the candidate's head points the other way than the teacher's."""
    velocity_median: float | None = None
    """Median of the absolute difference, deg/s, on the filtered series."""
    floor: Mapping[str, float | None] | None = None


def motion_errors(columns: Sequence[Column]) -> Motion:
    """Pools the columns of one joint."""
    ranges, peaks = [], []
    for column in columns:
        if column.found.sum() >= FEWEST_FRAMES:
            teacher = column.filtered[0][column.found]
            candidate = teacher + column.error(column.filtered)[column.found]
            ranges.append(_range(candidate) - _range(teacher))
            peaks.append(float(candidate.max() - teacher.max()))
    rmse, middle, nrmse = _velocity(columns)
    return Motion(
        rom_error=float(np.mean(ranges)) if ranges else None,
        peak_error=float(np.mean(peaks)) if peaks else None,
        velocity_rmse=rmse,
        velocity_median=middle,
        velocity_nrmse=nrmse,
        jitter_ratio=_jitter(columns),
        lr_swap_rate=_rate([column.swap for column in columns if column.swap is not None]),
        facing_disagreement=_rate([column.facing for column in columns]),
    )


def _range(angle: Array) -> float:
    low, high = np.percentile(angle, [2.5, 97.5])
    return float(high - low)


def _velocity(columns: Sequence[Column]) -> tuple[float | None, float | None, float | None]:
    """RMSE, median of the absolute difference, and RMSE over how fast the teacher's angle gets."""
    teacher, candidate = (
        np.concatenate([column.velocity[i][column.found] for column in columns] or [np.empty(0)]) for i in (0, 1)
    )
    both = np.isfinite(teacher) & np.isfinite(candidate)
    if not both.any():
        return None, None, None
    off = np.abs(candidate - teacher)[both]
    rmse = float(np.sqrt((off**2).mean()))
    fast = float(np.percentile(np.abs(teacher[both]), 95))
    return rmse, float(np.median(off)), rmse / fast if fast > 0 else None


def _jitter(columns: Sequence[Column]) -> float | None:
    """Over triples of neighbouring frames that both have; a frame left out between them makes no triple."""
    squares = np.zeros(2)
    for column in columns:
        steps = np.diff(column.times)
        if len(steps) < 2:
            continue
        beside = steps <= 1.5 * np.median(steps)
        triple = column.found[:-2] & column.found[1:-1] & column.found[2:] & beside[:-1] & beside[1:]
        for i in (0, 1):
            bend = np.diff(wrap(np.diff(column.raw[i]), column.period))
            squares[i] += float((bend[triple] ** 2).sum())
    return float(np.sqrt(squares[1] / squares[0])) if squares[0] > 0 else None


def _rate(pairs: Sequence[tuple[Mask, Mask]]) -> float | None:
    clear = sum(int(one.sum()) for one, _ in pairs)
    return sum(int(other.sum()) for _, other in pairs) / clear if clear else None
