"""One image -> its people, with a loaded artefact: the same way for teacher and candidates, network and decoding timed
apart."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eval.inference import LARGEST_SCALE, LONGEST_SIDE, SMALLEST_SCALE
from eval.maps import average_scales, input_size, prepare
from eval.people import DecodeSettings, Person, decode
from eval.runtimes import Runs
from teachers.common.errors import UserError
from teachers.spec import PoseNetSpec

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Estimate:
    """What one image gave."""

    people: list[Person]
    """Keypoints in pixels of the given image, likeliest first."""
    heatmaps: Array
    """(K+1, h, w), cropped to the image; the average over the scales if there are several."""
    pafs: Array
    """(2L, h, w) on the same grid."""
    network_s: float
    """Running the network, summed over the scales; resizing is in neither time."""
    decoding_s: float
    """From maps to people."""


class PoseEstimator:
    """Finds the people of an image; keeps no image."""

    def __init__(
        self,
        session: Runs,
        spec: PoseNetSpec,
        scales: Sequence[float] = (1.0,),
        settings: DecodeSettings | None = None,
    ) -> None:
        """Scales as `eval.maps.prepare` takes them. UserError for none, or for one that is out of bounds."""
        if not scales:
            raise UserError("at least one scale is needed")
        for scale in scales:
            if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
                raise UserError(f"scale {scale:g}: must lie between {SMALLEST_SCALE:g} and {LARGEST_SCALE:g}")
        self.spec, self.scales = spec, tuple(scales)
        self.settings = settings or DecodeSettings()
        self._session = session

    def __call__(self, image: NDArray[np.uint8]) -> Estimate:
        """The people in (H, W, 3) BGR pixels. UserError if the image is too wide for its height."""
        inputs = [self.network_input(image, scale) for scale in self.scales]
        start = time.perf_counter()
        maps = [self._session.run(one) for one in inputs]
        return self.estimate(maps, (image.shape[0], image.shape[1]), time.perf_counter() - start)

    def network_input(self, image: NDArray[np.uint8], scale: float) -> Array:
        """(H, W, 3) BGR pixels -> (1, 3, h, w) as the network takes them. UserError as in `__call__`."""
        return network_input(image, scale, self.spec)

    def estimate(self, maps: Sequence[tuple[Array, Array]], image_hw: tuple[int, int], network_s: float) -> Estimate:
        """The people of the network's maps of an image, heatmaps and PAFs (1, C, h, w) for each of the scales."""
        (height, width), stride = image_hw, self.spec.stride
        heatmaps, pafs = (self._fuse(part, image_hw) for part in zip(*maps, strict=True))
        # A single scale keeps its own grid; several meet on that of scale 1.0.
        on_scale = self.scales[0] if len(self.scales) == 1 else 1.0
        rows, columns = input_size(image_hw, on_scale, stride).content_hw
        start = time.perf_counter()
        people = decode(
            heatmaps, pafs, self.spec.skeleton, (stride * width / columns, stride * height / rows), self.settings
        )
        return Estimate(people, heatmaps, pafs, network_s, time.perf_counter() - start)

    def _fuse(self, maps: Sequence[Array], image_hw: tuple[int, int]) -> Array:
        """One (1, C, h, w) per scale -> (C, h, w), cropped to the image: padding shows no person."""
        stride = self.spec.stride
        if len(maps) > 1:
            tensors = [torch.from_numpy(one) for one in maps]
            return np.asarray(average_scales(tensors, image_hw, self.scales, stride)[0].numpy(), np.float32)
        rows, columns = input_size(image_hw, self.scales[0], stride).grid_hw(stride)
        return np.ascontiguousarray(maps[0][0, :, :rows, :columns])


def network_input(image: NDArray[np.uint8], scale: float, spec: PoseNetSpec) -> Array:
    """(H, W, 3) BGR pixels -> (1, 3, h, w) in the network's order of channels. UserError for one too wide."""
    height, width = image.shape[:2]
    size = input_size((height, width), scale, spec.multiple).padded_hw
    if max(size) > LONGEST_SIDE:
        raise UserError(
            f"an image of {width} x {height} pixels would need a network input of {size[1]} x {size[0]}; "
            f"at most {LONGEST_SIDE} to a side are possible"
        )
    ordered = image if spec.input.channels == "bgr" else np.ascontiguousarray(image[..., ::-1])
    return prepare(ordered, scale, spec.multiple)
