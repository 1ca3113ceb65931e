"""Is an artefact its network? The maps and the keypoints decoded from them are compared on the same image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compress.export.exporters.base import Precision
from compress.export.float_rounding import rounding
from eval.people import Person, decode
from eval.runtimes import Runs
from teachers.posenet import PoseNet

Array = NDArray[np.float32]
PARITY_LIMIT = 1e-4


class ParityError(RuntimeError):
    """The artefact's maps are not those of the network it was made from."""


@dataclass(frozen=True)
class Limits:
    """What still counts as the same network."""

    map_error: float
    """Largest absolute difference of a map, over the largest absolute value of that map or 1."""
    shift_px: float
    """How far a keypoint may move, in pixels of the network's input."""
    lost: float
    """Share of the keypoints that may move further, vanish or appear."""


LIMITS: Mapping[Precision, Limits] = {"fp32": Limits(PARITY_LIMIT, 0.1, 0.0), "fp16": Limits(0.05, 2.0, 0.1)}


@dataclass(frozen=True)
class Parity:
    """What the comparison gave: the worst over the images."""

    image: str
    """Where the images came from."""
    max_abs: float
    keypoints: int
    """Of the network; without any, only the maps were compared."""
    keypoints_lost: int
    largest_shift_px: float
    """Of the keypoints found in both."""

    def facts(self) -> dict[str, Any]:
        """For the artefact's file of facts."""
        return asdict(self)


def prove(network: PoseNet, session: Runs, images: Sequence[Array], image: str, limits: Limits) -> Parity:
    """Compares on every (1, 3, H, W) image. ParityError says by how much a limit was passed."""
    if not images:
        raise ValueError("parity needs at least one image")
    found = [_compare(network, session, one, limits) for one in images]
    keypoints, lost = (sum(part) for part in zip(*((one[1], one[2]) for one in found), strict=True))
    if lost > limits.lost * keypoints:
        raise ParityError(
            f"{lost} of {keypoints} keypoints are not where the network's are, within {limits.shift_px:g} pixels; "
            f"at most {int(limits.lost * keypoints)} may be"
        )
    return Parity(image, max(one[0] for one in found), keypoints, lost, max(one[3] for one in found))


def _compare(network: PoseNet, session: Runs, image: Array, limits: Limits) -> tuple[float, int, int, float]:
    with torch.inference_mode():
        expected = [maps.numpy() for maps in network(torch.from_numpy(image))]
    given = session.run(image)
    largest = 0.0
    rounded = rounding(network, torch.from_numpy(image))
    for name, ours, theirs, unsure in zip(("heatmaps", "pafs"), given, expected, rounded, strict=True):
        if ours.shape != theirs.shape:
            raise ParityError(f"{name} have shape {ours.shape}, the network's have {theirs.shape}")
        apart = float(np.abs(ours - theirs).max())
        allowed = limits.map_error * max(1.0, float(np.abs(theirs).max())) + unsure
        if not apart <= allowed:  # NaN fails too
            raise ParityError(f"{name} differ from the network's by {apart:.3g}; at most {allowed:.3g} is allowed")
        largest = max(largest, apart)
    skeleton, stride = network.spec.skeleton, network.spec.stride
    people = [decode(maps[0][0], maps[1][0], skeleton, stride) for maps in (given, expected)]
    return largest, *compare_people(people[0], people[1], limits.shift_px)


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
