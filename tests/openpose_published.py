"""OpenPose's network as ports of it write it, in plain torch and without our code: names, layers and order of maps."""

from collections import OrderedDict
from functools import cache

import torch
from torch import Tensor, nn

_FRONT = (
    "conv1_1 3 64", "conv1_2 64 64", "pool",
    "conv2_1 64 128", "conv2_2 128 128", "pool",
    "conv3_1 128 256", "conv3_2 256 256", "conv3_3 256 256", "conv3_4 256 256", "pool",
    "conv4_1 256 512", "conv4_2 512 512", "conv4_3_CPM 512 256", "conv4_4_CPM 256 128",
)  # fmt: skip
COCO, MPI = (38, 19), (28, 16)


class Published(nn.Module):
    """`model0`, then `modelS_1` (PAFs) and `modelS_2` (heatmaps) of each stage S."""

    def __init__(self, stages: int, heads: tuple[int, int]) -> None:
        super().__init__()
        self.stages = stages
        front: OrderedDict[str, nn.Module] = OrderedDict()
        for number, words in enumerate(_FRONT):
            if words == "pool":
                front[f"pool{number}"] = nn.MaxPool2d(2, 2)
            else:
                name, given, made = words.split()
                front[name] = nn.Conv2d(int(given), int(made), 3, 1, 1)
                front[f"relu_{name}"] = nn.ReLU()
        self.model0 = nn.Sequential(front)
        for stage in range(1, stages + 1):
            for branch, head in zip((1, 2), heads, strict=True):
                self.add_module(f"model{stage}_{branch}", _branch(stage, branch, head, 128 + sum(heads)))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """PAFs and heatmaps of every stage; x is pixel / 256 - 0.5."""
        features = self.model0(x)
        found: list[tuple[Tensor, Tensor]] = []
        for stage in range(1, self.stages + 1):
            seen = torch.cat([*found[-1], features], 1) if found else features
            found.append((self.get_submodule(f"model{stage}_1")(seen), self.get_submodule(f"model{stage}_2")(seen)))
        return found


def _branch(stage: int, branch: int, head: int, seen: int) -> nn.Sequential:
    first = stage == 1
    name = f"conv5_%d_CPM_L{branch}" if first else f"Mconv%d_stage{stage}_L{branch}"
    large = 3 if first else 5
    shapes = [(128, 128, 3, 1)] * 3 if first else [(seen, 128, 7, 3)] + [(128, 128, 7, 3)] * 4
    wide = 512 if first else 128
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (given, made, kernel, pad) in enumerate([*shapes, (128, wide, 1, 0), (wide, head, 1, 0)], 1):
        layers[name % number] = nn.Conv2d(given, made, kernel, 1, pad)
        if number < large + 2:
            layers[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(layers)


@cache
def published(stages: int = 2, heads: tuple[int, int] = COCO) -> Published:
    """One network with fixed weights of a size that keeps the maps away from zero. Not to be changed."""
    torch.manual_seed(stages)
    network = Published(stages, heads).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, std=0.1)  # type: ignore[arg-type]
    return network


def weights(stages: int = 2, heads: tuple[int, int] = COCO, modules: bool = True) -> dict[str, Tensor]:
    """Its state dict; `modules=False` as body_pose_model.pth itself has it, without `modelS_B.`."""
    state = published(stages, heads).state_dict()
    return {name if modules else name.partition(".")[2]: tensor for name, tensor in state.items()}
