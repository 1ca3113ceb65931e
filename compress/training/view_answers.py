"""A batch of views with the teacher's maps of its own pixels: what `teacher: online` does in every step."""

import torch
from torch import Tensor, nn

from compress.training.batches import Batch
from compress.training.crops import FrameBalance
from compress.training.ensemble import TeacherEnsemble


class TeacherAnswers(nn.Module):
    """The teacher beside its student, on one device."""

    def __init__(self, ensemble: TeacherEnsemble, balance: FrameBalance | None = None) -> None:
        super().__init__()
        self.ensemble, self.balance = ensemble, balance

    @torch.no_grad()
    def forward(self, batch: Batch) -> Batch:
        """A batch on the device, its maps replaced; cells of views that show little count as `balance` says."""
        maps = self.ensemble(batch.images)
        mask = batch.mask
        if self.balance is not None:
            mask = mask * _weights(self.balance, maps.heatmaps, maps.pafs)[:, None, None]
        return batch._replace(heatmaps=maps.heatmaps, pafs=maps.pafs, mask=mask)


def _weights(balance: FrameBalance, heatmaps: Tensor, pafs: Tensor) -> Tensor:
    """(N,) as `FrameBalance.weight`."""
    joints = heatmaps[:, :-1].square().sum(1).mean((1, 2)) / max(balance.energies.joints, 1e-12)
    vectors = pafs.square().sum(1).mean((1, 2)) / max(balance.energies.pafs, 1e-12)
    share = ((joints + vectors) / 2).clamp_min(1e-12)
    return share.pow(-balance.exponent).clamp_max(balance.most)
