"""tf-pose-estimation's MobileNet v2 networks (mobilenet_v2_small, mobilenet_v2_large, ...): recognised, and refused.

What they compute that no spec of ours can say yet is listed in docs/teachers.md.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teachers.errors import UserError

_BACKBONE, _STAGES = "MobilenetV2/expanded_conv", "Openpose/MConv_Stage"
_FIRST = "MobilenetV2/Conv/weights"
_WIDTHS = {16: "0.5", 24: "0.75", 32: "1.0", 48: "1.4"}
"""Channels of the first convolution, 32 times the width as multiples of 8, and the widths that were published."""


def refuse(constants: Mapping[str, NDArray[np.float32]], where: str) -> None:
    """UserError, beginning with `where`, if a graph's constants are those of such a network; else nothing."""
    if not all(any(name.startswith(prefix) for name in constants) for prefix in (_BACKBONE, _STAGES)):
        return
    first = next((values for name, values in constants.items() if name.startswith(_FIRST) and values.ndim == 4), None)
    width = _WIDTHS.get(first.shape[-1]) if first is not None else None
    reason = "it enlarges features of stride 16 to stride 8"
    each = _normalised_by_each_image(constants)
    if each:
        reason += f", and {each} of its batch norms take their mean and variance from each image"
    raise UserError(
        f"{where}: is a MobileNet v2 pose network of tf-pose-estimation{f' (width {width})' if width else ''}, which "
        f"cannot be read yet: {reason}; no spec can say that (docs/teachers.md). mobilenet_thin can be read"
    )


def _normalised_by_each_image(constants: Mapping[str, NDArray[np.float32]]) -> int:
    """Batch norms in training mode: TensorFlow gives those a mean and a variance without numbers."""
    empty = {name.rpartition("/")[0] for name, values in constants.items() if values.size == 0}
    return sum(name.endswith("/BatchNorm") for name in empty)
