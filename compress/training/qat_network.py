"""An int8 network as it is trained: it rounds as its artefact does, and gradients pass through as if it did not.

Weights, their steps and the steps of the tensors' grids are all learnt (Esser et al. 2020, "Learned Step Size
Quantization"); zeros stay where they are. Weights are learnt as multiples of their channel's root mean square and steps
as logarithms, so that one learning rate fits all of them.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.core.qparams import Int8, QuantParams
from compress.quantization.calibrate import Fitted
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.int8_rounding import limits, round_biases
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from compress.training.reparameterization import Outputs, TrainingNetwork
from teachers.graph import IMAGE
from teachers.posenet import ConvBlock, InstanceNormBlock, Maps, PoseNet, Upsample2xBlock

_SMALLEST = 1e-12


class QatNetwork(TrainingNetwork):
    """`folded()` is the network that ships, on its grids."""

    def __init__(self, made: Fitted) -> None:
        super().__init__()
        self.network = copy.deepcopy(made.network)
        self._zeros = {name: grid.zero for name, grid in made.quantization.grids.items()}
        self.scales = nn.ParameterDict({_key(n): torch.zeros(()) for n in self._zeros if n != IMAGE})
        self.steps = nn.ParameterDict({_key(n): torch.zeros(len(s)) for n, s in made.quantization.weights.items()})
        for name, grid in made.quantization.grids.items():
            self.register_buffer(f"scale_of_{_key(name)}", torch.tensor(grid.scale))
        for name, steps in made.quantization.weights.items():
            self.register_buffer(f"steps_of_{_key(name)}", torch.tensor(steps))
            weight = made.network.get_submodule(name).get_parameter("weight").detach()
            most = limits(weight.flatten(1) / torch.tensor(steps)[:, None]).reshape(weight.shape)
            self.register_buffer(f"limits_of_{_key(name)}", most)
        with torch.no_grad():
            for name, conv in self._convs().items():
                unit = conv.weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(_SMALLEST)
                self.register_buffer(f"unit_of_{_key(name)}", unit)
                conv.weight /= unit

    def forward(self, images: Tensor) -> Outputs:
        """Images (N, 3, H, W) as `PoseNet.all_stages` takes them. There are no features: int8 learns without hints."""
        numbers = _Learning(self)
        stages = walk(self.network, numbers, numbers.on_grid(IMAGE, seen(self.network, images)))
        return Outputs(images, [Maps(heatmaps, pafs) for heatmaps, pafs in stages])

    def calibrate(self, images: Tensor) -> None:
        """Nothing: the grids come calibrated."""

    def weight(self, name: str, conv: nn.Conv2d) -> Tensor:
        """The convolution's kernel, on its grid if it has one."""
        weight = conv.weight * self._of("unit", name)
        step = self.step(name)
        if step is None:
            return weight
        steps, most = step[:, None, None, None], self._of("limits", name)
        return _through(torch.clamp(weight / steps, -most, most)) * steps

    def step(self, name: str) -> Tensor | None:
        """(C,) of a convolution's weights; None where it is float."""
        learnt = self.steps.get(_key(name))
        return None if learnt is None else self._of("steps", name) * learnt.exp()

    def grid(self, name: str) -> tuple[Tensor, int] | None:
        """Scale () and zero of a tensor's grid; None where it is float."""
        if name not in self._zeros:
            return None
        scale = self._of("scale", name)
        return (scale * self.scales[_key(name)].exp() if _key(name) in self.scales else scale), self._zeros[name]

    @torch.no_grad()
    def folded(self) -> FakeQuantized:
        """The network with the weights that the artefact has, and its grids, in evaluation mode."""
        weights = {f"{name}.weight": self.weight(name, conv) for name, conv in self._convs().items()}
        made = PoseNet(self.network.spec)
        made.load_state_dict({name: tensor.cpu() for name, tensor in (self.network.state_dict() | weights).items()})
        quantization = Int8(grids=self._grids(), weights=self._steps())
        round_biases(made, quantization)
        return FakeQuantized(made, quantization).eval()

    def _grids(self) -> dict[str, QuantParams]:
        found = {name: self.grid(name) for name in self._zeros}
        return {
            name: QuantParams(scale=float(grid[0]), zero=grid[1]) for name, grid in found.items() if grid is not None
        }

    def _steps(self) -> dict[str, tuple[float, ...]]:
        found = {name: self.step(name) for name in self._convs()}
        return {name: tuple(step.tolist()) for name, step in found.items() if step is not None}

    def _convs(self) -> Mapping[str, nn.Conv2d]:
        return {name: module for name, module in self.network.named_modules() if isinstance(module, nn.Conv2d)}

    def _of(self, what: str, name: str) -> Tensor:
        return self.get_buffer(f"{what}_of_{_key(name)}")


class _Learning:
    """Arithmetic that rounds and lets gradients through."""

    def __init__(self, network: QatNetwork) -> None:
        self._network = network

    def on_grid(self, name: str, x: Tensor) -> Tensor:
        grid = self._network.grid(name)
        if grid is None:
            return x
        scale, zero = grid
        return _through(torch.clamp(x / scale, -zero, 255 - zero)) * scale

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Tensor, last: bool) -> Tensor:
        y = convolved(conv, padded(block, x, last), self._network.weight(name, conv), conv.bias)
        return self.on_grid(name, activated(block, y, last))

    def max_pool(self, x: Tensor, kernel: int, stride: int, pad: int) -> Tensor:
        return F.max_pool2d(x, kernel, stride, pad)

    def norm(self, name: str, block: InstanceNormBlock, x: Tensor) -> Tensor:
        return self.on_grid(name, block(x))

    def upsample(self, name: str, block: Upsample2xBlock, x: Tensor) -> Tensor:
        return self.on_grid(name, block(x))

    def join(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        return self.on_grid(name, torch.cat(list(parts), dim=1))

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        return self.on_grid(name, x + y)


def _through(x: Tensor) -> Tensor:
    """Rounded half to even; the gradient is that of x (Bengio et al. 2013)."""
    return x + (torch.round(x) - x).detach()


def _key(name: str) -> str:
    """Names of parameters hold no dots."""
    return name.replace(".", "/")
