"""How far a teacher's changed maps are from its maps of the changed picture (docs/training.md).

    python benchmarks/augmented_maps.py

Relative L2 over the cells that the picture covers, two cells away from its edge; smallest to largest over four frames
of the sample video. Takes a few minutes.
"""

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from compress.training.augmentation import Warp
from eval.frames import draw_sample, open_source
from eval.maps import padded, resized
from teachers.posenet import PoseNet
from teachers.registry import load_teacher

STRIDE = 8
CHANGES: dict[str, list[tuple[float, float, bool, tuple[float, float]]]] = {
    "moved by 2 and 1 cells": [(1, 0, False, (16, 8))],
    "moved by 1 pixel": [(1, 0, False, (1, 0))],
    "moved by half a cell in x and y": [(1, 0, False, (4, 4))],
    "mirrored": [(1, 0, True, (0, 0))],
    "turned by 5 degrees, either way": [(1, 5, False, (0, 0)), (1, -5, False, (0, 0))],
    "turned by 20 degrees, either way": [(1, 20, False, (0, 0)), (1, -20, False, (0, 0))],
    "scaled by 0.85": [(0.85, 0, False, (0, 0))],
    "scaled by 1.15": [(1.15, 0, False, (0, 0))],
    "scaled by 0.7": [(0.7, 0, False, (0, 0))],
    "scaled by 1.3": [(1.3, 0, False, (0, 0))],
}


def warp(scale: float, turn_deg: float, flip: bool, shift: tuple[float, float], hw: tuple[int, int]) -> Warp:
    """A change about the picture's middle, into a crop of the picture's size."""
    turn = math.radians(turn_deg)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    if flip:
        linear[0] *= -1
    middle = (np.array(hw[::-1]) - 1) / 2
    return Warp(np.column_stack([linear, middle - linear @ middle + shift]), hw, flip)


def ask(teacher: PoseNet, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The teacher's stacked maps."""
    with torch.no_grad():
        maps = teacher(torch.from_numpy(padded(image, STRIDE)))
    return torch.cat(list(maps), dim=1)[0].numpy()


def main() -> None:
    teacher = load_teacher("openpose-mobilenet-thin")[0].eval()
    skeleton = teacher.spec.skeleton
    heat = skeleton.heatmap_channels
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CHANGES}
    for frame in draw_sample(open_source("sports2d-demo"), images=4, seed=0).frames():
        image = resized(frame.image, 1.0)
        image = image[:, : image.shape[1] // STRIDE * STRIDE]
        hw = (image.shape[0], image.shape[1])
        answer = ask(teacher, image)
        for name, ways in CHANGES.items():
            for way in ways:
                change = warp(*way, hw)
                covered = change.mask(np.zeros(answer.shape[1:], np.float32), STRIDE) < 0.01
                inside = cv2.erode(covered.astype(np.float32), np.ones((5, 5), np.uint8))
                asked, said = ask(teacher, change.image(image)) * inside, change.maps(answer, skeleton, STRIDE) * inside
                apart = [
                    float(np.linalg.norm((said - asked)[part]) / np.linalg.norm(asked[part]))
                    for part in (slice(None, heat - 1), slice(heat, None))
                ]
                found[name].append((apart[0], apart[1]))
    for name, values in found.items():
        joints, pafs = zip(*values, strict=True)
        print(f"{name:34s} joints {min(joints):.2f} to {max(joints):.2f}   PAFs {min(pafs):.2f} to {max(pafs):.2f}")


if __name__ == "__main__":
    main()
