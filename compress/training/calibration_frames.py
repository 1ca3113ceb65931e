"""Calibration frames: pictures of the recipe's `training`, as the network takes them, batched by size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from compress.training.frames import FrameRef, read_frames
from eval.frame_types import Frame
from eval.maps import prepare
from teachers.common.errors import UserError


def batches(refs: Sequence[FrameRef], most: int, scales: Sequence[float], stride: int) -> tuple[Tensor, ...]:
    """Evenly at most so many of the frames, each at every scale: raw pixels (N, 3, H, W), one batch for each size.

    UserError where none of them can be read.
    """
    every = max(1, -(-len(refs) // most))
    by_size: dict[tuple[int, ...], list[Tensor]] = {}
    for _, frame in read_frames(refs[::every]):
        if isinstance(frame, Frame):
            for scale in scales:
                one = torch.from_numpy(prepare(frame.image, scale, stride))
                by_size.setdefault(tuple(one.shape), []).append(one)
    if not by_size:
        raise UserError("training.data: none of the frames can be read, so there is nothing to calibrate on")
    return tuple(torch.cat(of_one_size) for of_one_size in by_size.values())
