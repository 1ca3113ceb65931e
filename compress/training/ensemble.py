"""The teacher's answer to a batch of views: one pass, or the average over enlarged and mirrored ones."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.training.augmentation import mirror_of
from compress.training.view_settings import Ensemble
from teachers.posenet import Maps, PoseNet
from teachers.skeleton import Skeleton


class TeacherEnsemble(nn.Module):
    """A frozen teacher that answers views of any size; its weights are a copy of its own.

    Always fp32: the weights of a published teacher nearly cancel, and eight bits of them are too few.
    """

    def __init__(self, teacher: PoseNet, settings: Ensemble) -> None:
        super().__init__()
        self.settings, self.spec = settings, teacher.spec
        self.network = PoseNet(teacher.spec)
        self.network.load_state_dict(teacher.state_dict())
        self.network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def forward(self, images: Tensor) -> Maps:
        """(N, 3, H, W) raw pixels, sides multiples of the stride -> maps on the grid of the view itself."""
        grid = (images.shape[2] // self.spec.stride, images.shape[3] // self.spec.stride)
        total: Tensor | None = None
        passes = self.settings.passes(images.shape[2])
        for factor, mirrored in passes:
            seen = _resized(images, factor, self.spec.multiple)
            found = self.network(seen.flip(3) if mirrored else seen)
            maps = torch.cat((found.heatmaps, found.pafs), 1)
            if mirrored:
                maps = unmirrored(maps, self.spec.skeleton)
            if maps.shape[2:] != grid:
                maps = F.interpolate(maps, size=grid, mode="bilinear", align_corners=False, antialias=True)
            total = maps if total is None else total + maps
        assert total is not None, "an ensemble has at least one scale"
        mean = total / len(passes)
        heat = self.spec.skeleton.heatmap_channels
        return Maps(mean[:, :heat], mean[:, heat:])


def unmirrored(maps: Tensor, skeleton: Skeleton) -> Tensor:
    """The answer to a mirrored image -> how it lies in the image: (N, K+1+2L, h, w), heatmaps first."""
    mirror, heat = mirror_of(skeleton), skeleton.heatmap_channels
    back = maps.flip(3)
    count, channels, rows, columns = back.shape
    vectors = back[:, heat:].reshape(count, (channels - heat) // 2, 2, rows, columns)[:, mirror.limbs]
    signs = torch.tensor(mirror.signs, device=maps.device)[:, None] * torch.tensor([-1.0, 1.0], device=maps.device)
    pafs = (vectors * signs[None, :, :, None, None]).flatten(1, 2)
    return torch.cat((back[:, [*mirror.keypoints, heat - 1]], pafs), 1)


def _resized(images: Tensor, factor: float, multiple: int) -> Tensor:
    """Enlarged by about the factor, to sides that the network takes."""
    size = [max(multiple, round(side * factor / multiple) * multiple) for side in images.shape[2:]]
    if size == list(images.shape[2:]):
        return images
    found = F.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)
    return found.clamp(0, 255)
