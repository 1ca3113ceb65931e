"""A student in training: its network and its losses, as the one module that processes share."""

import copy

import torch
from torch import Tensor, nn

from compress.quantization.fake_quant import FakeQuantized
from compress.training.batches import Batch
from compress.training.feature_losses import FeatureLoss
from compress.training.losses import Energies, LossSettings, StagesLoss, Targets
from compress.training.reparameterization import Reparameterization, ReparameterizedNetwork, TrainingNetwork
from teachers.posenet import Maps, PoseNet


class Student(nn.Module):
    """Images and targets in, the loss out."""

    def __init__(self, network: TrainingNetwork, loss: StagesLoss, hints: FeatureLoss | None = None) -> None:
        super().__init__()
        self.network, self.loss, self.hints = network, loss, hints

    def forward(self, batch: Batch, features: Tensor | None = None) -> Tensor:
        """A batch on the student's device, and the teacher's features of its images where hints are asked for."""
        found = self.network(batch.images)
        targets = Targets(Maps(batch.heatmaps, batch.pafs), batch.mask)
        loss: Tensor = self.loss(found.stages, targets)
        if self.hints is not None and features is not None:
            loss = loss + self.hints(found.features, features)
        return loss


def make_student(
    network: PoseNet,
    how: Reparameterization | TrainingNetwork,
    loss: LossSettings,
    energies: Energies,
    teacher: PoseNet | None,
) -> Student:
    """`teacher`: where a loss on features is asked for, whose they are."""
    hints = None
    if teacher is not None:
        hints = FeatureLoss(loss, network.spec.feature_channels, teacher.spec.feature_channels)
    dressed = ReparameterizedNetwork(network, how) if isinstance(how, Reparameterization) else copy.deepcopy(how)
    return Student(dressed, StagesLoss(loss, energies), hints)


def groups(student: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups: kernels are decayed, shifts and scales are not (He et al. 2019, section 3.1)."""
    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
    return [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]


class AveragedWeights:
    """The weights averaged over the last steps (Polyak), batch norms' statistics with them."""

    def __init__(self, student: nn.Module) -> None:
        self.tensors = {name: tensor.detach().clone() for name, tensor in student.state_dict().items()}

    @torch.no_grad()
    def update(self, student: nn.Module, memory: float) -> None:
        """average = memory * average + (1 - memory) * now."""
        now = student.state_dict()
        moving = [name for name, tensor in self.tensors.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.tensors[name] for name in moving], [now[name] for name in moving], 1 - memory)

    def network(self, student: Student) -> PoseNet | FakeQuantized:
        """The averaged student as it would ship."""
        averaged = copy.deepcopy(student)
        averaged.load_state_dict(self.tensors)
        return averaged.network.folded()
