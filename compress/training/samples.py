"""What one step of training learns from: an image and the maps that a network should give for it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TrainingSample(NamedTuple):
    """One image with its targets, all of one crop."""

    image: NDArray[np.uint8]
    """(H, W, 3) BGR pixels."""
    heatmaps: NDArray[np.float32]
    """(K+1, H/stride, W/stride), background last."""
    pafs: NDArray[np.float32]
    """(2L, H/stride, W/stride), limb i in channels 2i and 2i+1."""
    mask: NDArray[np.float32]
    """(H/stride, W/stride): 1 where the maps may be learnt from, 0 where there are unlabelled people."""
