"""How wide each layer of a spec is, which widths must stay equal, and what every convolution then costs. No weights.

A layer that chooses its own number of channels is a *maker*, named by its module's path (`backbone.layers.3`). A
depthwise convolution, a pool, a norm and an enlargement pass channels on. A residual ties the makers before it to those
inside it, because their channels are added; makers that are tied form one group and keep the same channels (Fang et al.
2023, DepGraph).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from teachers.graph import IMAGE, Add, Join, Node, read_graph
from teachers.layers import Concat, Conv, DepthwiseConv, Layer, Residual, SeparableConv, rows_after
from teachers.spec import IMAGE_CHANNELS, BackboneSpec, PoseNetSpec, StageSpec

Widths = Mapping[str, int]
"""Channels of each maker."""


@dataclass(frozen=True)
class Convolution:
    """One convolution as a runtime sees it."""

    name: str
    """The path of its torch module."""
    reads: tuple[str, ...]
    """The makers whose channels it sees, in their order; one that stands here twice is seen twice."""
    after: tuple[str, ...]
    """The depthwise convolutions that these same channels have just passed, in the same order."""
    makes: str | None
    """The maker that it is; None if it is depthwise and passes channels on."""
    kernel: int
    stride: int
    pad: tuple[int, int]
    dilation: int
    hw: tuple[int, int]
    """Rows and columns that it sees."""
    out_hw: tuple[int, int]

    def channels(self, widths: Widths) -> tuple[int, int]:
        """Channels in and out at these widths."""
        seen = sum(widths[maker] for maker in self.reads)
        return seen, seen if self.makes is None else widths[self.makes]

    def macs(self, widths: Widths) -> int:
        """Multiply-accumulates at these widths."""
        seen, made = self.channels(widths)
        return self.kernel**2 * made * (1 if self.makes is None else seen) * self.out_hw[0] * self.out_hw[1]


@dataclass(frozen=True)
class Group:
    """Makers of one width, whose channels go together."""

    makers: tuple[str, ...]
    width: int

    @property
    def name(self) -> str:
        """That of the first maker."""
        return self.makers[0]


@dataclass(frozen=True)
class Layout:
    """All convolutions of a network for one input size, and the groups that may be pruned."""

    convolutions: tuple[Convolution, ...]
    widths: dict[str, int]
    groups: tuple[Group, ...]

    def macs(self, widths: Widths) -> int:
        """Multiply-accumulates of the whole network at these widths; equal to eval.size.count_macs."""
        return sum(convolution.macs(widths) for convolution in self.convolutions)

    def narrowed(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Widths of all makers when these groups, by name, keep so many channels."""
        new = {maker: counts[group.name] for group in self.groups if group.name in counts for maker in group.makers}
        return {**self.widths, **new}


class _Flow(NamedTuple):
    makers: tuple[str, ...]
    hw: tuple[int, int]
    passed: tuple[str, ...] = ()


@dataclass
class _Reading:
    """What the nodes of a graph, one after the other, say about channels; the flow is what each of them gives."""

    convolutions: list[Convolution] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=lambda: {IMAGE: IMAGE_CHANNELS})
    ties: list[tuple[str, str]] = field(default_factory=list)
    fixed: set[str] = field(default_factory=lambda: {IMAGE})

    def flow(self, node: Node, seen: Sequence[_Flow]) -> _Flow:
        operation, before = node.operation, seen[0]
        if isinstance(operation, Add):
            return self.residual(before, seen[1])
        if isinstance(operation, Join):
            return _Flow(tuple(maker for one in seen for maker in one.makers), before.hw)
        hw = (rows_after((operation,), before.hw[0]), rows_after((operation,), before.hw[1]))
        if not isinstance(operation, Conv | DepthwiseConv):
            return before._replace(hw=hw)
        makes = node.block if isinstance(operation, Conv) else None
        shape = (operation.kernel, operation.stride, operation.pad, operation.dilation, before.hw, hw)
        self.convolutions.append(Convolution(node.name, before.makers, before.passed, makes, *shape))
        if makes is None:
            return before._replace(hw=hw, passed=(*before.passed, node.name))
        self.widths[makes] = node.channels
        return _Flow((makes,), hw)

    def residual(self, before: _Flow, after: _Flow) -> _Flow:
        pairs = list(zip(before.makers, after.makers, strict=False))
        if len(before.makers) == len(after.makers) and all(self.widths[a] == self.widths[b] for a, b in pairs):
            self.ties += pairs
        else:
            # Channels of one maker are added to those of several: they could only go in matching pieces. Left alone.
            self.fixed |= {*before.makers, *after.makers}
        return before._replace(passed=())


def read_layout(spec: PoseNetSpec, input_hw: tuple[int, int]) -> Layout:
    """The layout of a spec for one input of this height and width, multiples of `spec.multiple`."""
    graph, reading = read_graph(spec), _Reading()
    flows = {IMAGE: _Flow((IMAGE,), input_hw)}
    for node in graph.nodes:
        flow = reading.flow(node, [flows[name] for name in node.inputs])
        # `after` tells of a chain; the features are where the chain of the backbone ends.
        flows[node.name] = flow._replace(passed=()) if node.name == graph.features else flow
    # The maps' channels mean something.
    reading.fixed.update(maker for name in graph.maps for maker in flows[name].makers)
    return Layout(tuple(reading.convolutions), reading.widths, tuple(_groups(reading)))


def _groups(reading: _Reading) -> Iterator[Group]:
    """Tied makers together, those that may be pruned; one without a reader has no effect."""
    leader = {maker: maker for maker in reading.widths}
    for a, b in reading.ties:
        old, new = leader[b], leader[a]
        leader = {maker: new if led == old else led for maker, led in leader.items()}
    read = {maker for convolution in reading.convolutions for maker in convolution.reads}
    together: dict[str, list[str]] = {}
    for maker, led in leader.items():
        together.setdefault(led, []).append(maker)
    for makers in together.values():
        # What a residual makes is read as part of the sum, under the name of the maker before it.
        if read.intersection(makers) and not reading.fixed.intersection(makers):
            yield Group(tuple(makers), reading.widths[makers[0]])


def with_widths(spec: PoseNetSpec, widths: Widths) -> PoseNetSpec:
    """The same network with these channels; makers that are not named keep theirs."""

    def chain(path: str, layers: Iterable[Layer]) -> tuple[Layer, ...]:
        return tuple(changed(f"{path}.{index}", layer) for index, layer in enumerate(layers))

    def changed(name: str, layer: Layer) -> Layer:
        if isinstance(layer, Residual):
            return Residual(layers=chain(f"{name}.body", layer.layers))
        if isinstance(layer, Concat):
            branches = enumerate(layer.branches)
            return Concat(branches=tuple(chain(f"{name}.branches.{n}", branch) for n, branch in branches))
        if isinstance(layer, Conv | SeparableConv):
            return layer.model_copy(update={"channels": widths.get(name, layer.channels)})
        return layer

    def stage(number: int, old: StageSpec) -> StageSpec:
        path = f"stages.{number}"
        return StageSpec(
            trunk=chain(f"{path}.trunk", old.trunk),
            paf=chain(f"{path}.paf", old.paf),
            heatmap=chain(f"{path}.heatmap", old.heatmap),
        )

    layers = chain("backbone.layers", spec.backbone.layers)
    backbone = BackboneSpec(name=spec.backbone.name, layers=layers, taps=spec.backbone.taps)
    stages = tuple(stage(number, old) for number, old in enumerate(spec.stages))
    return PoseNetSpec.model_validate({**dict(spec), "backbone": backbone, "stages": stages})
