"""A network as a flat list of operations in the order of its forward pass, each with what it reads and who reads it.

Backbone, taps, stages, residuals and concatenations are laid out once, here; what wants to know or to compute something
of every operation goes through the nodes and never through the nested layers. No weights are needed: nodes are named
by the paths of their modules in `PoseNet`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    InstanceNorm,
    Layer,
    MaxPool,
    Residual,
    SeparableConv,
    Upsample2x,
)
from teachers.spec import IMAGE_CHANNELS, BackboneSpec, PoseNetSpec, StageSpec

IMAGE = "image"
"""The name of what the backbone reads."""
FEATURES = "features"


@dataclass(frozen=True)
class Join:
    """The channels of all inputs one after the other."""


@dataclass(frozen=True)
class Add:
    """The sum of a residual's input and of what its layers make of it, in this order."""


Operation = Conv | DepthwiseConv | MaxPool | InstanceNorm | Upsample2x | Join | Add
"""A separable convolution is two: depthwise without activation, then a `Conv` of one cell."""


@dataclass(frozen=True)
class Node:
    """One operation."""

    name: str
    """The path of its module, a convolution's that of its `Conv2d`; a join has a name too where it has no module."""
    operation: Operation
    inputs: tuple[str, ...]
    channels: int
    """What it gives."""

    @property
    def block(self) -> str:
        """The path of the convolution's `ConvBlock`: the layer's."""
        return self.name.rpartition(".")[0]

    @property
    def last(self) -> bool:
        """Whether it is the last convolution of its block, the one with the activation."""
        return self.name.endswith(".conv")


@dataclass(frozen=True)
class StageNodes:
    """The names of what a stage gives."""

    heatmaps: str
    pafs: str


@dataclass(frozen=True)
class Graph:
    """The nodes in forward order: each stands after those that it reads."""

    nodes: tuple[Node, ...]
    features: str
    """The name of what every stage reads."""
    stages: tuple[StageNodes, ...]

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Every node but the image, which is none."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """The readers of the image or of the node of this name; the last stage's maps have none."""
        found: dict[str, list[Node]] = {name: [] for name in (IMAGE, *self.by_name)}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @property
    def maps(self) -> frozenset[str]:
        """The names of all stages' maps."""
        return frozenset(name for stage in self.stages for name in (stage.heatmaps, stage.pafs))

    @property
    def convolutions(self) -> Iterator[Node]:
        """The convolutions, depthwise ones among them."""
        return (node for node in self.nodes if isinstance(node.operation, Conv | DepthwiseConv))


def stage_input(number: int) -> str:
    """The name of what stage `number` reads, counted from 0, where that is more than the features."""
    return f"stages.{number}.input"


def read_graph(spec: PoseNetSpec) -> Graph:
    """The graph of a network of this spec."""
    builder = _Builder()
    features = builder.backbone(spec.backbone)
    stages: list[StageNodes] = []
    for number, stage in enumerate(spec.stages):
        x = features
        if stages:
            x = builder.add(stage_input(number), Join(), stages[-1].pafs, stages[-1].heatmaps, features)
        stages.append(builder.stage(f"stages.{number}", stage, x))
    return Graph(tuple(builder.nodes), features, tuple(stages))


class _Builder:
    """Methods give the name of the last node that they added."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._channels = {IMAGE: IMAGE_CHANNELS}

    def add(self, name: str, operation: Operation, *inputs: str) -> str:
        seen = [self._channels[one] for one in inputs]
        given = operation.channels if isinstance(operation, Conv) else seen[0]
        self._channels[name] = sum(seen) if isinstance(operation, Join) else given
        self.nodes.append(Node(name, operation, inputs, self._channels[name]))
        return name

    def backbone(self, backbone: BackboneSpec) -> str:
        after = self.chain("backbone.layers", backbone.layers, IMAGE)
        taps = [after[tap.layer] for tap in backbone.taps]
        for number, tap in enumerate(backbone.taps):
            if tap.pool > 1:
                pool = MaxPool(kernel=tap.pool, stride=tap.pool)
                taps[number] = self.add(f"{FEATURES}.{number}", pool, taps[number])
        return self.add(FEATURES, Join(), *taps) if len(taps) > 1 else taps[0]

    def stage(self, path: str, stage: StageSpec, x: str) -> StageNodes:
        x = self.last(f"{path}.trunk", stage.trunk, x)
        pafs = self.last(f"{path}.paf", stage.paf, x)
        return StageNodes(heatmaps=self.last(f"{path}.heatmap", stage.heatmap, x), pafs=pafs)

    def chain(self, path: str, layers: Sequence[Layer], x: str) -> list[str]:
        """What each of the layers gives."""
        found: list[str] = []
        for index, layer in enumerate(layers):
            x = self.layer(f"{path}.{index}", layer, x)
            found.append(x)
        return found

    def last(self, path: str, layers: Sequence[Layer], x: str) -> str:
        return [x, *self.chain(path, layers, x)][-1]

    def layer(self, path: str, layer: Layer, x: str) -> str:
        if isinstance(layer, Residual):
            return self.add(path, Add(), x, self.last(f"{path}.body", layer.layers, x))
        if isinstance(layer, Concat):
            branches = enumerate(layer.branches)
            return self.add(path, Join(), *[self.last(f"{path}.branches.{n}", one, x) for n, one in branches])
        if isinstance(layer, SeparableConv):
            shape = {"kernel": layer.kernel, "stride": layer.stride, "pad": layer.pad}
            x = self.add(f"{path}.depthwise", DepthwiseConv(**shape, relu=False), x)
            layer = Conv(channels=layer.channels, kernel=1, pad=(0, 0), relu=layer.relu)
        return self.add(f"{path}.conv" if isinstance(layer, Conv | DepthwiseConv) else path, layer, x)
