"""A student's features against its teacher's, as they leave the backbone. Each loss is a module with its equation.

All are means over what they compare, so that a weight means the same at any number of channels and any crop.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.training.losses import LossSettings

_LEAST = 1e-12
_LEAST_DEVIATION = 1e-6
TEMPERATURE = 4.0
"""Shu et al. (2021), section 4.1."""


class Hints(nn.Module):
    """FitNets, Romero et al. (2015), equation (3): mean (s - t)^2 / mean t^2."""

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Both (N, C, h, w) -> a scalar; 0 where they are equal, 1 for a student of zeros."""
        return (found - wanted).square().mean() / wanted.square().mean().clamp_min(_LEAST)


class ChannelWise(nn.Module):
    """CWD, Shu et al. (2021), equations (3) and (4): which cells a channel lights up, not how bright it is.

    p_c = softmax over the cells of t_c / T, q_c likewise of s_c: T^2 * mean over channels of KL(p_c || q_c). The paper
    adds up over channels with a weight for each data set; the mean keeps one weight for any backbone.
    """

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Both (N, C, h, w) -> a scalar."""
        student, teacher = (F.log_softmax(x.flatten(2) / TEMPERATURE, dim=-1) for x in (found, wanted))
        divergence = (teacher.exp() * (teacher - student)).sum(dim=-1)
        return TEMPERATURE**2 * divergence.mean()


class Pearson(nn.Module):
    """PKD, Cao et al. (2022), equations (4) and (5): mean (s' - t')^2 / 2 = 1 - Pearson's correlation.

    s' and t' are each channel with mean 0 and deviation 1 over the batch's cells: size and offset of the teacher's
    features, which a student of another architecture need not copy, count for nothing.
    """

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Both (N, C, h, w) -> a scalar in 0..2."""
        return 0.5 * (_standard(found) - _standard(wanted)).square().mean()


def _standard(x: Tensor) -> Tensor:
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    deviation = x.var(dim=(0, 2, 3), unbiased=False, keepdim=True).clamp_min(_LEAST_DEVIATION**2).sqrt()
    return (x - mean) / deviation


class FeatureLoss(nn.Module):
    """The weighted losses on the student's features, brought to the teacher's channels by a 1x1 convolution.

    The convolution is trained along and does not ship.
    """

    def __init__(self, settings: LossSettings, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.regressor = nn.Conv2d(student_channels, teacher_channels, 1)
        all_of_them = ((settings.hints, Hints()), (settings.cwd, ChannelWise()), (settings.pkd, Pearson()))
        self._terms = tuple((weight, loss) for weight, loss in all_of_them if weight > 0)

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """found (N, F, h, w), wanted (N, G, h, w) -> a scalar."""
        student, teacher = self.regressor(found).float(), wanted.float()
        total = torch.zeros((), device=student.device)
        for weight, loss in self._terms:
            total = total + weight * loss(student, teacher)
        return total
