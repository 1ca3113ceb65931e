"""AlexNet's five convolutions (Krizhevsky et al. 2012) at stride 8, in the one-column version (Krizhevsky 2014).

The first convolution and the first pool make stride 8 with the paper's strides. The second pool has stride 1, and the
convolutions after it are dilated by 2 instead: at every second cell they compute what the paper's network computes, so
weights trained for that mean the same here. The third pool, which leads to the classifier, is left out. So is local
response normalisation: runtimes for phones do not have it, and without it the accuracy is the same (Simonyan,
Zisserman 2014, section 4.1, network A-LRN); the published one-column weights were trained without it too.
"""

from students.widths import scaled
from teachers.layers import Conv, Layer, MaxPool


def alexnet(width: float) -> tuple[Layer, ...]:
    """2,469,696 parameters at width 1. Padding is one cell more than the paper's where 8n rows must give n cells."""
    return (
        Conv(channels=scaled(64, width), kernel=11, stride=4, pad=(3, 4)),
        MaxPool(kernel=3, stride=2, pad=1),
        Conv(channels=scaled(192, width), kernel=5, pad=(2, 2)),
        MaxPool(kernel=3, stride=1, pad=1),
        Conv(channels=scaled(384, width), pad=(2, 2), dilation=2),
        Conv(channels=scaled(256, width), pad=(2, 2), dilation=2),
        Conv(channels=scaled(256, width), pad=(2, 2), dilation=2),
    )
