"""Keypoints that jump away for a frame or a few: found as whole points, by the frames on both sides.

One to three frames in a row (at 30 a second; as long in time at higher rates) are held against what all other frames
of their stretch say of them (the leave-out residual of a smoother), in units of the point's own noise. All of them
together, because two wrong frames vouch for each other. A weaker jump counts as well where a bone next to it changes
its length. The first and the last frame of a stretch are never judged: nothing stands on their other side. What lasts
longer is no jump but another limb, and belongs to the assignment of sides.
"""

from dataclasses import dataclass

import numpy as np

from eval.angles import Array, extents
from eval.filters import Mask, spacing
from eval.rts_smoother import rts_smooth
from eval.stretches import stretches
from teachers.common.errors import UserError
from teachers.skeleton import Skeleton

BONES = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
_ROUNDS = 5
"""An outlier pulls its neighbours along, so the worst goes first; hardly anything changes after the third round."""
_LONGEST_S, _LONGEST = 0.1, 3
"""At most so long are frames left out together, and at slow rates so many of them."""
_USUAL_HZ, _RISE = 30.0, 0.4
"""By how much the limits rise for each frame more at this rate: a fast limb looks alike."""
_NEIGHBOURS = 3
"""Frames beside a dropped one that are not judged in the same round."""
_CHUNK = 1000
"""Frames at a time: memory does not grow with the video."""
_CUTOFF_HZ = 6.0
_CHI_MEDIAN = np.sqrt(2 * np.log(2))
"""Median length of a two-dimensional normal vector."""


@dataclass(frozen=True)
class OutlierFilter:
    """How far off a point must be; chosen on the noise floor of the sample clip and on a synthetic walk."""

    sigmas: float = 4.5
    """By position alone."""
    sigmas_with_length: float = 3.0
    """Where a bone's length jumps too."""
    length_sigmas: float = 2.5
    """From where on a bone's length counts as jumping."""
    min_noise: float = 0.006
    """Of the person's size: steadier points are judged as if they were as noisy as this."""
    length_window_s: float = 0.4
    """On each side, for a bone's usual length."""
    min_length_noise: float = 0.05
    """Of the bone's usual length."""
    acceleration: float = 25.0
    """Sizes per second squared that a limb may have: so much of what is off is a swing, and comes on top of the limits.
    Without it the swings of a runner at 30 frames per second went as outliers."""

    def __post_init__(self) -> None:
        if not min(self.sigmas, self.sigmas_with_length, self.length_sigmas) > 0:
            raise UserError(f"outlier filter: sigmas must lie above 0, got {self}")
        if not self.acceleration >= 0:
            raise UserError(f"outlier filter: acceleration must not be negative, got {self.acceleration}")


def find_outliers(times: Array, seen: Array, skeleton: Skeleton, max_gap_s: float, settings: OutlierFilter) -> Mask:
    """(T, K): the points that do not belong to their track.

    Args:
        times: (T,) seconds, increasing.
        seen: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0.
        skeleton: names the keypoints, so that bones are known.
        max_gap_s: frames further apart than this do not judge each other.

    """
    there = np.isfinite(seen[..., 0])
    dropped = np.zeros(there.shape, bool)
    if len(times) < 3:
        return dropped
    size = _size(seen)
    least = settings.min_noise * size
    jumps = _bone_jumps(times, seen[..., :2], skeleton, settings) > settings.length_sigmas
    limit = np.where(jumps, settings.sigmas_with_length, settings.sigmas)
    # Half-way through a gap of n frames a straight guess is off by a ((n + 1) h)^2 / 8.
    strictness = {n: each for n, each in _strictness(1 / spacing(times)).items() if n < len(times) - 1}
    swing = {n: settings.acceleration * size * ((n + 1) * spacing(times)) ** 2 / 8 for n in strictness}
    for _ in range(_ROUNDS):
        away = {length: _left_out(times, seen[..., :2], there & ~dropped, length, max_gap_s) for length in strictness}
        noise = np.hypot(_noise(away[1]), least)
        now = _worst({n: each / (noise * limit * strictness[n] + swing[n]) for n, each in away.items()})
        if not now.any():
            break
        dropped |= now
    return dropped


def _strictness(rate: float) -> dict[int, float]:
    """Frames in a row that are left out together -> by how much the limits rise. A fault lasts as long at any rate."""
    longest = max(_LONGEST, round(_LONGEST_S * rate))
    lengths = {min(2**power, longest) for power in range(longest.bit_length() + 1)}
    slower = min(1.0, _USUAL_HZ / rate)
    return {n: 1 + _RISE * max(n * slower - 1, 0.0) for n in sorted(lengths)}


def _size(seen: Array) -> float:
    sizes = extents(seen)
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(known)) if len(known) else 1.0


def _left_out(times: Array, xy: Array, used: Mask, length: int, max_gap_s: float) -> Array:
    """(length, T, K): how far the frames of a block are from what all others say of them, for the block at each frame.

    In pixels, scaled to the noise of one sample; NaN where a frame of the block is unused, or has no other frame
    within reach on both sides.
    """
    away = np.full((length, *used.shape), np.nan)
    beyond = round(1.0 / spacing(times))
    for start in range(0, len(times), _CHUNK):
        first, last = max(0, start - beyond), min(len(times), start + _CHUNK + beyond)
        part = _left_out_part(times[first:last], xy[first:last], used[first:last], length, max_gap_s)
        stop = min(len(times), start + _CHUNK)
        away[:, start:stop] = part[:, start - first : stop - first]
    return away


def _left_out_part(times: Array, xy: Array, used: Mask, length: int, max_gap_s: float) -> Array:
    """As `_left_out`: blocks that are too far apart to matter to each other are left out in the same pass."""
    frames, points = used.shape
    period = length + max(6, round(0.1 / spacing(times)))
    number = np.arange(frames)[:, None]
    out = (number - np.arange(period)) % period < length  # (T, period): left out in this pass
    kept = used[:, None, :] & ~out[..., None]
    reach = stretches(times, kept.reshape(frames, -1), max_gap_s)
    many = np.broadcast_to(xy[:, None], (frames, period, points, 2)).reshape(frames, -1, 2)
    smooth = rts_smooth(times, many, kept.reshape(frames, -1).astype(np.float64), reach.opens, _CUTOFF_HZ)
    residual = np.hypot(*np.moveaxis(many - smooth.xy, -1, 0)) / np.sqrt(1 + np.maximum(smooth.variance, 0))
    residual = np.where(reach.enclosed, residual, np.nan).reshape(frames, period, points)
    residual[~np.broadcast_to(used[:, None], residual.shape)] = np.nan
    away = np.full((length, frames, points), np.nan)
    for step in range(length):
        at = np.arange(frames - step)
        away[step, : frames - step] = residual[at + step, at % period]
    return away


def _worst(scores: dict[int, Array]) -> Mask:
    """The blocks whose every frame is beyond its limit (score 1), the clearest first, with room between them."""
    best = {length: np.nan_to_num(each.min(axis=0)) for length, each in scores.items()}
    frames, points = best[1].shape
    dropped = np.zeros((frames, points), bool)
    for k in range(points):
        blocks = [(each[i, k], i, length) for length, each in best.items() for i in np.flatnonzero(each[:, k] > 1)]
        judged = np.zeros(frames, bool)
        for _, i, length in sorted(blocks, reverse=True):
            if not judged[i : i + length].any():
                dropped[i : i + length, k] = True
                judged[max(0, i - _NEIGHBOURS) : i + length + _NEIGHBOURS] = True
    return dropped


def _noise(away: Array) -> Array:
    """(K,): standard deviation per coordinate, robust; 0 where nothing was judged."""
    noise = np.zeros(away.shape[2])
    for k in np.flatnonzero(np.isfinite(away[0]).any(axis=0)):
        noise[k] = np.nanmedian(away[0, :, k]) / _CHI_MEDIAN
    return noise


def _bone_jumps(times: Array, xy: Array, skeleton: Skeleton, settings: OutlierFilter) -> Array:
    """(T, K): how far the lengths of a point's bones are from usual, in scaled median deviations; the worst of them."""
    jumps = np.zeros(xy.shape[:2])
    reach = max(round(settings.length_window_s / spacing(times)), 2)
    index = {name: number for number, name in enumerate(skeleton.keypoints)}
    for side in ("right", "left"):
        for start, end in BONES:
            ends = [index.get(f"{side}_{name}") for name in (start, end)]
            if ends[0] is None or ends[1] is None:
                continue
            length = np.hypot(*(xy[:, ends[0]] - xy[:, ends[1]]).T)
            usual, spread = _window_statistics(length, reach)
            jump = np.abs(length - usual) / np.maximum(np.hypot(spread, settings.min_length_noise * usual), 1e-6)
            for point in ends:
                jumps[:, point] = np.fmax(jumps[:, point], jump)
    return jumps


def _window_statistics(values: Array, reach: int) -> tuple[Array, Array]:
    """(T,) median and scaled median deviation of the values within `reach` frames; NaN where fewer than 5 are known."""
    padded = np.pad(values, reach, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    enough = np.isfinite(windows).sum(axis=1) >= 5
    median, spread = np.full(len(values), np.nan), np.full(len(values), np.nan)
    median[enough] = np.nanmedian(windows[enough], axis=1)
    spread[enough] = 1.4826 * np.nanmedian(np.abs(windows[enough] - median[enough, None]), axis=1)
    return median, spread
