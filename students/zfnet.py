"""ZFNet's five convolutions (Zeiler, Fergus 2014, figure 3) at stride 8.

The first convolution, the first pool and the second convolution make stride 8 with the paper's strides. The second
pool has stride 1 and the convolutions after it are dilated by 2; the last pool and contrast normalisation are left out:
all of it for the reasons given in alexnet.py.
"""

from students.widths import scaled
from teachers.layers import Conv, Layer, MaxPool


def zfnet(width: float) -> tuple[Layer, ...]:
    """3,726,464 parameters at width 1."""
    return (
        Conv(channels=scaled(96, width), kernel=7, stride=2, pad=(3, 3)),
        MaxPool(kernel=3, stride=2, pad=1),
        Conv(channels=scaled(256, width), kernel=5, stride=2, pad=(2, 2)),
        MaxPool(kernel=3, stride=1, pad=1),
        Conv(channels=scaled(384, width), pad=(2, 2), dilation=2),
        Conv(channels=scaled(384, width), pad=(2, 2), dilation=2),
        Conv(channels=scaled(256, width), pad=(2, 2), dilation=2),
    )
