"""People drawn by hand for the tests of training data."""

import numpy as np
from numpy.typing import NDArray

# COCO-18, in pixels from the middle of the hips' height, of a person about 165 pixels tall who stands a little askew.
_STANDING = (
    (2, -70), (0, -50), (-20, -48), (-30, -20), (-28, 8), (20, -47), (33, -22), (41, 5), (-12, 10), (-14, 50),
    (-15, 90), (12, 11), (17, 50), (22, 88), (-4, -75), (7, -76), (-11, -72), (13, -71),
)  # fmt: skip


def standing(x: float, y: float, scale: float = 1.0) -> NDArray[np.float64]:
    """(18, 3): one person, all keypoints labelled."""
    return np.array([(x + scale * dx, y + scale * dy, 2.0) for dx, dy in _STANDING])


def relative_l2(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Norm of the difference over the norm of what is wanted."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
