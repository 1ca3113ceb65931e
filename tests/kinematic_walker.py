"""Walkers and runners with what networks do to their labels: noise, gaps, exchanged sides, doubled limbs."""

from collections.abc import Sequence

import numpy as np
from kinematic_figures import Array, Pose, figure

from teachers.skeleton import COCO_18

LEG = ("hip", "knee", "ankle")
ARM = ("shoulder", "elbow", "wrist")


def rows(side: str, joints: Sequence[str]) -> list[int]:
    return [COCO_18.index(f"{side}_{joint}") for joint in joints]


def walker(seconds: float = 4.0, fps: float = 30.0, faces: int = 1, height: float = 400.0) -> Array:
    """(T, 18, 3): seen from the side, 1 stride a second; knees bend 15 in stance and 60 in swing, as people's do."""
    return np.array(
        [
            _figure(1.0 * i / fps, height, faces, knee=(5, 12, 55), hip=(10, 25), arm=20)
            for i in range(round(seconds * fps))
        ]
    )


def runner(seconds: float = 4.0, fps: float = 30.0, faces: int = 1, height: float = 400.0) -> Array:
    """(T, 18, 3): on a treadmill, bouncing, 1.4 strides a second; knees bend 40 in stance, 105 in swing."""
    track = np.array(
        [
            _figure(1.4 * i / fps, height, faces, knee=(12, 28, 93), hip=(18, 32), arm=35)
            for i in range(round(seconds * fps))
        ]
    )
    bounce = np.cos(4 * np.pi * 1.4 * np.arange(len(track)) / fps)
    track[..., 1] += 0.02 * height * bounce[:, None]
    return track


def _figure(
    cycle: float, height: float, faces: int, *, knee: tuple[float, float, float], hip: tuple[float, float], arm: float
) -> Array:
    """A side's stride begins with its foot on the ground; the other side is half a stride later."""
    sides = []
    for shift in (0.0, 0.5):
        phase = 2 * np.pi * (cycle + shift)
        stance, swing = (np.exp(4.0 * (np.cos(phase - 2 * np.pi * peak) - 1)) for peak in (0.15, 0.72))
        sides.append(
            Pose(
                knee=knee[0] + knee[1] * stance + knee[2] * swing,
                hip=hip[0] + hip[1] * np.cos(phase),
                shoulder=-arm * np.cos(phase),
                elbow=30 + arm / 2 * np.cos(phase),
                lean=5,
            )
        )
    return figure(sides[0], sides[1], height, faces=faces)


def jumping_jack(seconds: float = 4.0, fps: float = 30.0, height: float = 400.0, *, back: bool = False) -> Array:
    """(T, 18, 3): seen from the front or the back; arms and legs go apart and together once a second."""
    return np.array([_spread(i / fps, height, back) for i in range(round(seconds * fps))])


def _spread(time_s: float, height: float, back: bool) -> Array:
    apart = (1 - np.cos(2 * np.pi * time_s)) / 2
    points = {"neck": (0, -0.3), "nose": (0, -0.4)}
    for side, sign in (("right", -1), ("left", 1)):
        leg, arm = np.radians(3 + 22 * apart), np.radians(15 + 140 * apart)
        hip, shoulder = (0.055, 0.0), (0.1, -0.3)
        thigh, upper = (0.245 * np.sin(leg), 0.245 * np.cos(leg)), (0.186 * np.sin(arm), 0.186 * np.cos(arm))
        limbs = {"hip": hip, "knee": (hip[0] + thigh[0], thigh[1]), "ankle": (hip[0] + 2 * thigh[0], 2 * thigh[1])}
        limbs |= {"shoulder": shoulder, "elbow": (shoulder[0] + upper[0], shoulder[1] + upper[1])}
        limbs |= {"wrist": (shoulder[0] + 1.8 * upper[0], shoulder[1] + 1.8 * upper[1])}
        limbs |= {"eye": (0.02, -0.42), "ear": (0.045, -0.41)}
        points |= {f"{side}_{joint}": (sign * x, y) for joint, (x, y) in limbs.items()}
    keypoints = np.ones((len(COCO_18.keypoints), 3))
    for index, name in enumerate(COCO_18.keypoints):
        keypoints[index, :2] = 600 + height * np.array(points[name])
    if back:
        keypoints[:, 0] = 1200 - keypoints[:, 0]
        keypoints[[COCO_18.index(name) for name in ("nose", "right_eye", "left_eye")]] = np.nan, np.nan, 0.0
    return keypoints


def noisy(track: Array, noise: float, seed: int = 0) -> Array:
    """A copy with normal noise of so many pixels."""
    copy = track.copy()
    copy[..., :2] += np.random.default_rng(seed).normal(0, noise, copy[..., :2].shape)
    return copy


def exchanged(track: Array, frames: slice, joints: Sequence[str] = LEG) -> Array:
    """A copy in which the labels of both sides have changed places."""
    copy = track.copy()
    for right, left in zip(rows("right", joints), rows("left", joints), strict=True):
        copy[frames, right], copy[frames, left] = track[frames, left], track[frames, right]
    return copy


def doubled(
    track: Array, frames: slice, onto: str, joints: Sequence[str] = LEG[1:], *, noise: float = 1.0, seed: int = 0
) -> Array:
    """A copy in which both labels sit on the limb of side `onto`; the one that does not belong is less sure."""
    copy = track.copy()
    other = "left" if onto == "right" else "right"
    for there, gone in zip(rows(onto, joints), rows(other, joints), strict=True):
        copy[frames, gone] = track[frames, there]
        copy[frames, gone, 2] *= 0.8
    rng = np.random.default_rng(seed)
    part = copy[frames][:, rows(other, joints), :2]
    copy[frames, :, :2][:, rows(other, joints)] = part + rng.normal(0, noise, part.shape)
    return copy


def with_gaps(track: Array, share: float, seed: int = 0) -> Array:
    """A copy in which this share of the points is missing, here and there."""
    copy = track.copy()
    copy[np.random.default_rng(seed).random(track.shape[:2]) < share] = np.nan, np.nan, 0.0
    return copy
