"""How a decoded picture is turned upright, and how one is made fit for an encoder."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The display matrix is nine 32-bit fixed-point numbers, a b u / c d v / x y w, that take the stored point (p, q) to
# (a p + c q + x, b p + d q + y); ISO/IEC 14496-12, section 6.2.2 (libavutil/display.h has them in this order).


@dataclass(frozen=True)
class Turn:
    """Swap the axes first, then flip; every quarter turn and mirror image is one of these eight."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) as stored -> as it is to be seen, contiguous."""
        turned = image.swapaxes(0, 1) if self.swap else image
        turned = turned[:, ::-1] if self.flip_x else turned
        turned = turned[::-1] if self.flip_y else turned
        return np.ascontiguousarray(turned)


def turn_of(matrix: bytes) -> Turn | None:
    """The turn that a display matrix (36 bytes, native order) asks for; None when it is no quarter turn."""
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    straight, crossed = (abs(a), abs(d)), (abs(b), abs(c))
    if max(crossed) < min(straight) * 0.01:
        return Turn(flip_x=a < 0, flip_y=d < 0)
    if max(straight) < min(crossed) * 0.01:
        return Turn(swap=True, flip_x=c < 0, flip_y=b < 0)
    return None


def even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeats the last row or column where a side is odd: 4:2:0 chroma needs even sides."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def check_picture(image: NDArray[np.uint8], shape: tuple[int, ...] | None) -> None:
    """Raises ValueError unless the image is (H, W, 3) uint8 and of the given shape, where one is given."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"a picture is (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if shape is not None and image.shape != shape:
        raise ValueError(f"all pictures of a video have one size: {shape} before, now {image.shape}")
