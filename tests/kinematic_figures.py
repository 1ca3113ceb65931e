"""Stick figures with set joint angles, for the tests of kinematics; COCO-18, image y down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teachers.skeleton import COCO_18

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Flexions in degrees; `lean` is the trunk's."""

    knee: float = 0.0
    hip: float = 0.0
    shoulder: float = 0.0
    elbow: float = 0.0
    lean: float = 0.0


def _down(angle: float, length: float) -> Array:
    """A vector `angle` degrees forward (to image right) of hanging."""
    return length * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])


def figure(right: Pose, left: Pose | None = None, height: float = 400.0, *, faces: int = 1) -> Array:
    """(18, 3): seen from the side, facing image right, or mirrored with faces = -1; both sides share the trunk."""
    left = right if left is None else left
    points = {"mid_hip": np.array([600.0, 500.0])}
    neck = points["mid_hip"] - _down(-right.lean, 0.3 * height)
    points["neck"] = neck
    for side, pose, apart in (("right", right, -0.015 * height), ("left", left, 0.015 * height)):
        for joint, base in (("hip", points["mid_hip"]), ("shoulder", neck)):
            points[f"{side}_{joint}"] = base + np.array([apart, 0])
        thigh = pose.hip - right.lean
        points[f"{side}_knee"] = points[f"{side}_hip"] + _down(thigh, 0.245 * height)
        points[f"{side}_ankle"] = points[f"{side}_knee"] + _down(thigh - pose.knee, 0.246 * height)
        arm = pose.shoulder - right.lean
        points[f"{side}_elbow"] = points[f"{side}_shoulder"] + _down(arm, 0.186 * height)
        points[f"{side}_wrist"] = points[f"{side}_elbow"] + _down(arm + pose.elbow, 0.146 * height)
        points[f"{side}_eye"] = neck + np.array([16, -42])
        points[f"{side}_ear"] = neck + np.array([2 + apart / 3, -40])
    points["nose"] = neck + np.array([22, -36])
    keypoints = np.ones((len(COCO_18.keypoints), 3))
    for index, name in enumerate(COCO_18.keypoints):
        keypoints[index, :2] = points[name]
    if faces < 0:
        keypoints[:, 0] = 1200 - keypoints[:, 0]
    return keypoints


def walk(frames: int = 120, fps: float = 30.0, noise: float = 0.0, seed: int = 0, speed: float = 120.0) -> Array:
    """(T, 18, 3): a walk to image right with knees bending up to 60 degrees once a second."""
    rng = np.random.default_rng(seed)
    track = np.empty((frames, 18, 3))
    for i in range(frames):
        phase = 2 * np.pi * i / fps
        sides = [
            Pose(
                knee=30 - 30 * np.cos(phase + shift),
                hip=10 + 25 * np.sin(phase + shift),
                shoulder=-20 * np.sin(phase + shift),
                elbow=25 + 15 * np.sin(phase + shift),
                lean=5,
            )
            for shift in (0.0, np.pi)
        ]
        track[i] = figure(sides[0], sides[1])
        track[i, :, 0] += speed * i / fps
    track[..., :2] += rng.normal(0, noise, track[..., :2].shape)
    return track


def stamps(frames: int, fps: float = 30.0) -> Array:
    return np.arange(frames) / fps


def lose(track: Array, frames: slice, *names: str) -> Array:
    """A copy in which the named keypoints (all, without a name) are missing in these frames."""
    copy = track.copy()
    for index in [COCO_18.index(name) for name in names] or range(len(COCO_18.keypoints)):
        copy[frames, index] = np.nan, np.nan, 0.0
    return copy
