"""Is an artefact its network? The maps and the keypoints decoded from them are compared on the same image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.export.exporters.base import Int8Maps, Precision
from compress.export.float_rounding import rounding
from eval.people import Person, decode
from eval.runtimes import Runs
from teachers.posenet import PoseNet

Array = NDArray[np.float32]
PARITY_LIMIT = 1e-4
_TIMES = 2.0


class ParityError(RuntimeError):
    """The artefact's maps are not those of the network it was made from."""


@dataclass(frozen=True)
class Limits:
    """What still counts as the same network."""

    map_error: float
    """Largest absolute difference of a map, over the largest absolute value of that map or 1. Of int8: the relative L2
    beyond `_TIMES` that of the same numbers with sums in float. A sum that ends on the other side of a half is off by
    one whole step, and later layers make more of it, so that single cells say little."""
    shift_px: float
    """How far a keypoint may move, in pixels of the network's input."""
    lost: float
    """Share of the keypoints that may move further, vanish or appear."""


LIMITS: Mapping[Precision, Limits] = {
    "fp32": Limits(PARITY_LIMIT, 0.1, 0.0),
    "fp16": Limits(0.05, 2.0, 0.1),
    "int8": Limits(0.02, 2.0, 0.1),
}


@dataclass(frozen=True)
class Parity:
    """What the comparison gave: the worst over the images."""

    image: str
    """Where the images came from."""
    max_abs: float
    rel_l2: float
    """Of both maps the larger, on the first image: small ones may show nothing that a map could be relative to."""
    keypoints: int
    """Of the network; without any, only the maps were compared."""
    keypoints_lost: int
    largest_shift_px: float
    """Of the keypoints found in both."""

    def facts(self) -> dict[str, Any]:
        """For the artefact's file of facts."""
        return asdict(self)


@dataclass(frozen=True)
class Expected:
    """What an artefact has to be."""

    network: PoseNet
    int8: Int8Maps | None = None
    """Of an int8 network; None: the network itself gives the maps."""


def prove(expected: Expected, session: Runs, images: Sequence[Array], image: str, limits: Limits) -> Parity:
    """Compares on every (1, 3, H, W) image. ParityError says by how much a limit was passed."""
    if not images:
        raise ValueError("parity needs at least one image")
    found = [_compare(expected, session, one, limits) for one in images]
    keypoints, lost = sum(one.keypoints for one in found), sum(one.lost for one in found)
    if lost > limits.lost * keypoints:
        raise ParityError(
            f"{lost} of {keypoints} keypoints are not where the network's are, within {limits.shift_px:g} pixels; "
            f"at most {int(limits.lost * keypoints)} may be"
        )
    return Parity(
        image,
        max(one.max_abs for one in found),
        found[0].rel_l2,
        keypoints,
        lost,
        max(one.shift_px for one in found),
    )


class _Apart(NamedTuple):
    """What one image gave."""

    max_abs: float
    rel_l2: float
    keypoints: int
    lost: int
    shift_px: float


class _Wanted(NamedTuple):
    """A map as it should be."""

    name: str
    values: Array
    unsure: float
    """What rounding alone may change: of the largest difference, of int8 the relative L2."""


def _compare(expected: Expected, session: Runs, image: Array, limits: Limits) -> _Apart:
    wanted = _wanted(expected, torch.from_numpy(image))
    given = session.run(image)
    largest = relative = 0.0
    for ours, (name, theirs, unsure) in zip(given, wanted, strict=True):
        if ours.shape != theirs.shape:
            raise ParityError(f"{name} have shape {ours.shape}, the network's have {theirs.shape}")
        apart, share = float(np.abs(ours - theirs).max()), _rel_l2(ours, theirs)
        if expected.int8 is None:
            off, words, allowed = apart, "", limits.map_error * max(1.0, float(np.abs(theirs).max())) + unsure
        else:
            off, words, allowed = share, "a relative L2 of ", limits.map_error + unsure
        if not off <= allowed:  # NaN fails too
            raise ParityError(f"{name} differ from the network's by {words}{off:.3g}; at most {allowed:.3g} is allowed")
        largest, relative = max(largest, apart), max(relative, share)
    skeleton, stride = expected.network.spec.skeleton, expected.network.spec.stride
    found, there = (
        decode(heatmaps[0], pafs[0], skeleton, stride) for heatmaps, pafs in (given, [one.values for one in wanted])
    )
    return _Apart(largest, relative, *compare_people(found, there, limits.shift_px))


@torch.inference_mode()
def _wanted(expected: Expected, image: Tensor) -> list[_Wanted]:
    """Heatmaps, then PAFs."""
    names = ("heatmaps", "pafs")
    if expected.int8 is None:
        maps, unsure = expected.network(image), rounding(expected.network, image)
        return [_Wanted(name, one.numpy(), noise) for name, one, noise in zip(names, maps, unsure, strict=True)]
    pairs = zip(names, expected.int8.exact(image), expected.int8.in_float(image), strict=True)
    return [_Wanted(name, one.numpy(), _TIMES * _rel_l2(two.numpy(), one.numpy())) for name, one, two in pairs]


def _rel_l2(ours: Array, theirs: Array) -> float:
    return float(np.linalg.norm(ours - theirs)) / max(float(np.linalg.norm(theirs)), 1e-12)


def compare_people(given: Sequence[Person], expected: Sequence[Person], shift_px: float) -> tuple[int, int, float]:
    """How many keypoints were expected, how many of all are without a twin within `shift_px`, the largest shift.

    A person is compared with the nearest one of the other side; what appears counts as what vanishes does.
    """
    vanished, shift = _unmatched(expected, given, shift_px)
    appeared, _ = _unmatched(given, expected, shift_px)
    return sum(int(np.isfinite(one.keypoints[:, 0]).sum()) for one in expected), max(vanished, appeared), shift


def _unmatched(people: Sequence[Person], others: Sequence[Person], shift_px: float) -> tuple[int, float]:
    missing, largest = 0, 0.0
    for person in people:
        there = np.isfinite(person.keypoints[:, 0])
        if not others:
            missing += int(there.sum())
            continue
        apart = np.stack([np.hypot(*(other.keypoints[there, :2] - person.keypoints[there, :2]).T) for other in others])
        # A keypoint that the other person lacks is as far as one may be: the nearest person has the fewest of them.
        nearest = apart[np.argmin(np.nan_to_num(apart, nan=1e6).sum(axis=1))]
        missing += int((~(nearest <= shift_px)).sum())
        largest = max(largest, float(np.nanmax(nearest, initial=0.0)))
    return missing, largest
