"""Which of two limbs a label sits on, over a whole track: dynamic programming on constant-velocity predictions.

A hypothesis is a sequence of assignments, one for each frame, with a Kalman filter for each point that follows it. Of
hypotheses whose last two assignments agree the cheapest survives (second order: two positions give a velocity), so
the search is exact but for the filters' longer memory. A cost is a negative log-likelihood: what the points move
against the prediction, what distrusts the network, and what a label that sits on the other limb costs to drop.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array
from eval.filters import Mask
from eval.point_motion import MotionModel, Moving

Ints = NDArray[np.int64]

STRAIGHT, DISTAL, LOWER, WHOLE = range(4)
"""How many of a limb's three joints have their labels exchanged, counted from the end: none, ankle, and knee, all."""
ORDERS = np.array([[[0, 0, 0], [1, 1, 1]], [[0, 0, 1], [1, 1, 0]], [[0, 1, 1], [1, 0, 0]], [[1, 1, 1], [0, 0, 0]]])
"""(4, side, joint): the label of which side is taken for the joint."""
NOTHING, DROP_RIGHT, DROP_LEFT = range(3)
_WALKING = 1.2
"""Median speed of a walker's ankles, in standard deviations of the motion model."""
_FASTEST = 2.0
"""Exchanged labels look like speed too, so it only counts up to here."""


@dataclass(frozen=True)
class SideSettings:
    """Costs are negative log-likelihoods: 1 makes an assignment 2.7 times less likely."""

    motion: MotionModel = field(default_factory=MotionModel)
    distrust_per_s: float = 20.0
    """For each second in which a limb's labels are exchanged. Half a second is taken from the network for what two
    clear jumps say, four seconds never are: the side that is right most of the time is right."""
    lone: float = 3.0
    """For each point that is given to the other limb while that limb's own is missing: a single point that moves
    oddly is an error of that point more often than of its label."""
    near_lone: float = 8.0
    """On top for each point of the limb on the camera's side: it is seen, so what is seen is more likely its own."""
    turn: float = 2.0
    """For each change of the assignment."""
    doubled: float = 0.05
    """Sizes; two labels closer than this may sit on the same limb."""
    drop: float = 8.0
    """For a label that begins to be dropped, and for each second of it."""
    drop_per_s: float = 15.0
    together_per_s: float = 45.0
    """For each second in which two limbs are held to move as one, in step, at `in_step` sizes per second or faster."""
    in_step: float = 1.0
    confidence: float = 4.0
    """Weight of which of two doubled labels the network is surer of."""
    near_per_s: float = 30.0
    """For dropping the limb on the camera's side, for each second: nothing hides it."""
    crossed_per_s: float = 40.0
    """For limbs seen from the front or the back that lie on the other side of the trunk, for each second. People do
    cross arms and legs, so this only outweighs `distrust_per_s`, never what the points show of their movement."""
    margin: float = 100.0
    """Hypotheses that lag by more are given up."""


@dataclass(frozen=True)
class LimbTrack:
    """One pair of limbs: hips, knees, ankles, or shoulders, elbows, wrists."""

    times: Array
    """(T,) seconds."""
    points: Array
    """(T, 2, 3, 2) side (right, left), joint (from the trunk outward), x and y in sizes; NaN where not seen."""
    confidence: Array
    """(T, 2, 3)."""
    near: Array
    """(T,) +1 where the right limb is on the camera's side, -1 where the left one is, 0 where neither."""
    astray: Array
    """(T, 2, 3, 2): for each point, taken as the right limb's and as the left limb's, how far it lies on the other
    limb's side of the trunk, 0 to 1; 0 unless seen from the front or the back."""


@dataclass(frozen=True)
class LimbPath:
    """The cheapest assignment."""

    order: Ints
    """(T,) STRAIGHT, DISTAL, LOWER or WHOLE."""
    dropped: Mask
    """(T, 2, 3): the joint's point, after the exchange, belongs to the other limb."""


@dataclass(frozen=True)
class _Options:
    """What may be assumed of one frame."""

    states: Ints
    """(S,) order * 3 + drop."""
    seen: Array
    """(S, 2, 3, 2) where the points then are."""
    dropped: Mask
    """(S, 2, 3)."""
    cost: Array
    """(S,) without motion."""
    together: Array
    """(S, 2, 3): joints that are held to be two at one place."""


def search(track: LimbTrack, settings: SideSettings) -> LimbPath:
    """The cheapest assignment of a whole track."""
    settings = replace(settings, motion=_paced(track, settings.motion))
    steps = np.diff(track.times, prepend=track.times[:1])
    typical = float(np.median(steps[1:])) if len(steps) > 1 else 0.0
    paths = Moving.unseen((1, 2, 3), settings.motion)
    cost, last = np.zeros(1), np.zeros(1, np.int64)
    back: list[tuple[Ints, Ints, Mask]] = []
    for t, step in enumerate(steps):
        options = _options(track, t, typical, settings)
        predicted = paths.after(float(step), settings.motion)
        total = cost[:, None] + options.cost + _changes(last, options.states, settings)
        total += _motion(predicted, options, typical, settings)
        parent, choice = _survivors(total, last, settings.margin)
        paths = predicted.take(parent).updated(options.seen[choice], settings.motion)
        cost, last = total[parent, choice], options.states[choice]
        back.append((parent, last, options.dropped[choice]))
    return _trace(back, int(np.argmin(cost)))


def _paced(track: LimbTrack, motion: MotionModel) -> MotionModel:
    """The model for limbs that move as these usually do: a runner's ankles are twice as fast as a walker's."""
    ends = track.points[:, :, -1]
    speed = np.hypot(*np.moveaxis(np.diff(ends, axis=0), -1, 0)) / np.diff(track.times)[:, None]
    if not np.isfinite(speed).any():
        return motion
    faster = float(np.nanmedian(speed)) / (_WALKING * motion.speed)
    return replace(motion, speed=motion.speed * min(max(faster, 1.0), _FASTEST))


def _trace(back: list[tuple[Ints, Ints, Mask]], row: int) -> LimbPath:
    order, dropped = np.zeros(len(back), np.int64), np.zeros((len(back), 2, 3), bool)
    for t in range(len(back) - 1, -1, -1):
        parent, states, drops = back[t]
        order[t], dropped[t] = states[row] // 3, drops[row]
        row = int(parent[row])
    return LimbPath(order, dropped)


def _options(track: LimbTrack, t: int, typical: float, settings: SideSettings) -> _Options:
    found = track.points[t]
    close = np.hypot(*np.moveaxis(found[0] - found[1], -1, 0)) < settings.doubled
    close[0] = False  # hips and shoulders are close whenever a person is seen from the side
    drops = (NOTHING, DROP_RIGHT, DROP_LEFT) if close.any() else (NOTHING,)
    orders = _different(np.isfinite(found[..., 0]))
    states = np.array([order * 3 + drop for order in orders for drop in drops])
    order, drop = states // 3, states % 3
    sides = ORDERS[order]
    joints = np.arange(3)
    dropped = close & (drop[:, None, None] == np.array([[DROP_RIGHT], [DROP_LEFT]]))
    seen = np.where(dropped[..., None], np.nan, found[sides, joints])
    wrong = np.stack([track.astray[t][sides[:, side], joints, side] for side in (0, 1)], axis=1)
    there = np.isfinite(found[..., 0])
    lone = ((sides[:, 0] == 1) & (there[0] != there[1])).sum(axis=1)
    given = _given_away(there, sides, float(track.near[t]))
    cost = settings.distrust_per_s * typical * (order > 0) + settings.lone * lone + settings.near_lone * given
    cost = cost + settings.crossed_per_s * typical * (np.where(dropped, 0.0, wrong) * _WEIGHT).sum(axis=(1, 2))
    cost = cost + (drop != NOTHING) * settings.drop_per_s * typical
    for side in (0, 1):
        mine, other = (
            np.where(close, track.confidence[t][sides[:, each], joints], 0).sum(axis=1) for each in (side, 1 - side)
        )
        surer = settings.confidence * (mine - other) / np.maximum(mine + other, 1e-9)
        hides = settings.near_per_s * typical * float(track.near[t] == 1 - 2 * side)
        cost = cost + np.where(drop == side + 1, surer + hides, 0.0)
    together = close & (drop[:, None, None] == NOTHING) & np.ones((2, 3), bool)
    return _Options(states, seen, dropped, cost, together)


def _given_away(there: Mask, sides: Ints, near: float) -> Ints:
    """(S,): points of the limb on the camera's side that the other one gets, and that it then goes without."""
    if not near:
        return np.zeros(len(sides), np.int64)
    side = 0 if near > 0 else 1
    return np.asarray(((sides[:, side] != side) & there[side] & ~there[1 - side]).sum(axis=1))


def _different(there: Mask) -> list[int]:
    """The orders that differ in a frame: to exchange what is not there changes nothing."""
    found: dict[bytes, int] = {}
    for order, sides in enumerate(ORDERS):
        exchanged = (sides[0] == 1) & there.any(axis=0)
        found.setdefault(exchanged.tobytes(), order)
    return list(found.values())


_WEIGHT = np.array([0.25, 0.15, 0.1])
"""Of a joint from the trunk outward: hips never cross, ankles and wrists may."""


def _changes(last: Ints, states: Ints, settings: SideSettings) -> Array:
    """(H, S): what it costs to go from one state to the next."""
    turned = last[:, None] // 3 != states // 3
    begins = (states % 3 != NOTHING) & (last[:, None] % 3 != states % 3)
    return np.asarray(settings.turn * turned + settings.drop * begins, np.float64)


def _motion(predicted: Moving, options: _Options, typical: float, settings: SideSettings) -> Array:
    """(H, S): what the points move against the prediction."""
    wide = Moving(
        *(
            part[:, None]
            for part in (predicted.position, predicted.velocity, predicted.spread, predicted.mixed, predicted.drift)
        )
    )
    jump = wide.surprise(options.seen, settings.motion).sum(axis=(-1, -2))
    speed = np.hypot(*np.moveaxis(predicted.velocity, -1, 0))[:, None] / settings.in_step
    stuck = np.where(options.together, np.minimum(speed, 1.0), 0.0).max(axis=(-1, -2))
    return np.asarray(jump + settings.together_per_s * typical * stuck, np.float64)


def _survivors(total: Array, last: Ints, margin: float) -> tuple[Ints, Ints]:
    """Parent and option of the cheapest hypothesis for each pair of last two states, those that lag far left out."""
    parent, choice = np.unravel_index(np.argsort(total, axis=None, kind="stable"), total.shape)
    alive = total[parent, choice] <= total.min() + margin
    parent, choice = parent[alive], choice[alive]
    _, first = np.unique(last[parent] * total.shape[1] + choice, return_index=True)
    return parent[first], choice[first]
