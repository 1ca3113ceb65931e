"""SqueezeNet 1.1 (Iandola et al. 2016, and the authors' release 1.1) with all eight Fire modules at stride 8.

The first convolution and the first two pools make stride 8. The third pool has stride 1 and the 3x3 expansions after it
are dilated by 2, so that trained weights mean the same (see alexnet.py). The release rounds pooled rows up; here one
row of padding on each side does that, because 8n rows must give n cells.
"""

from students.widths import scaled
from teachers.layers import Concat, Conv, Layer, MaxPool

_POOL = MaxPool(kernel=3, stride=2, pad=1)


def squeezenet(width: float) -> tuple[Layer, ...]:
    """722,496 parameters at width 1."""
    return (
        Conv(channels=scaled(64, width), stride=2),
        _POOL,
        *_fire(16, 64, width),
        *_fire(16, 64, width),
        _POOL,
        *_fire(32, 128, width),
        *_fire(32, 128, width),
        MaxPool(kernel=3, stride=1, pad=1),
        *_fire(48, 192, width, dilation=2),
        *_fire(48, 192, width, dilation=2),
        *_fire(64, 256, width, dilation=2),
        *_fire(64, 256, width, dilation=2),
    )


def _fire(squeezed: int, expanded: int, width: float, dilation: int = 1) -> tuple[Layer, ...]:
    """1x1 down to `squeezed` channels, then 1x1 and 3x3 side by side, `expanded` channels each."""
    channels = scaled(expanded, width)
    wide = Conv(channels=channels, pad=(dilation, dilation), dilation=dilation)
    return (
        Conv(channels=scaled(squeezed, width), kernel=1, pad=(0, 0)),
        Concat(branches=((Conv(channels=channels, kernel=1, pad=(0, 0)),), (wide,))),
    )
