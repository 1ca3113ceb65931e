"""Stage plans: what the stages of a student look like, at any width and number.

A plan takes the parent's spec, the number of stages and their width (None: the plan's own) and gives the stages. Heads
are those of the parent's skeleton. ValueError where the parent's kind of stage cannot have that width.
"""

from collections.abc import Callable

from teachers.layers import Concat, Conv, Layer, Residual, SeparableConv
from teachers.spec import PoseNetSpec, StageSpec

MOST_STAGES = 6
"""As many as Cao et al. trained."""
_LIGHTWEIGHT_WIDTH = 128

StagePlan = Callable[[PoseNetSpec, int, int | None], tuple[StageSpec, ...]]


def two_branch(parent: PoseNetSpec, stages: int, width: int | None) -> tuple[StageSpec, ...]:
    """The parent's own kind of stage. `width` is what the first convolution of a branch gives, and the others change
    in proportion; None keeps the parent's. Where more stages are asked for than there are, the last one is repeated.
    """
    templates = [parent.stages[min(number, len(parent.stages) - 1)] for number in range(stages)]
    return tuple(template if width is None else _widened(template, width) for template in templates)


def _widened(stage: StageSpec, width: int) -> StageSpec:
    def body(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        return tuple(_scaled(layer, width / present) for layer in layers)

    present = _first_width((*stage.trunk, *stage.paf[:-1], *stage.heatmap[:-1]))
    return StageSpec(
        trunk=body(stage.trunk),
        paf=(*body(stage.paf[:-1]), stage.paf[-1]),
        heatmap=(*body(stage.heatmap[:-1]), stage.heatmap[-1]),
    )


def _first_width(layers: tuple[Layer, ...]) -> int:
    for layer in layers:
        if isinstance(layer, Conv | SeparableConv):
            return layer.channels
    raise ValueError("the stage has no convolution before its heads whose channels could change")


def _scaled(layer: Layer, ratio: float) -> Layer:
    """The layer with its channels times `ratio`; what has none of its own stays."""
    if isinstance(layer, Conv | SeparableConv):
        return layer.model_copy(update={"channels": max(1, round(layer.channels * ratio))})
    if isinstance(layer, Residual):
        return Residual(layers=tuple(_scaled(inner, ratio) for inner in layer.layers))
    if isinstance(layer, Concat):
        return Concat(branches=tuple(tuple(_scaled(inner, ratio) for inner in branch) for branch in layer.branches))
    return layer


def lightweight(parent: PoseNetSpec, stages: int, width: int | None) -> tuple[StageSpec, ...]:
    """Osokin's stages (2018, sections 3.3 and 3.4): one trunk for both heads and 3x3 blocks in place of 7x7.

    The first stage has three 3x3 convolutions and heads over 4 * width channels; each later one has five blocks of a
    1x1, a 3x3 and a 3x3 of dilation 2, the latter two residual, which together see as far as one 7x7.
    Width 128 if None.
    """
    channels = width or _LIGHTWEIGHT_WIDTH
    first = StageSpec(
        trunk=3 * (Conv(channels=channels),),
        paf=_head(4 * channels, parent.skeleton.paf_channels),
        heatmap=_head(4 * channels, parent.skeleton.heatmap_channels),
    )
    refinement = StageSpec(
        trunk=5 * _refinement_block(channels),
        paf=_head(channels, parent.skeleton.paf_channels),
        heatmap=_head(channels, parent.skeleton.heatmap_channels),
    )
    return (first, *(stages - 1) * (refinement,))


def _refinement_block(channels: int) -> tuple[Layer, ...]:
    wide = Conv(channels=channels, pad=(2, 2), dilation=2)
    return _pointwise(channels), Residual(layers=(Conv(channels=channels), wide))


def _head(channels: int, maps: int) -> tuple[Layer, ...]:
    return _pointwise(channels), _pointwise(maps, relu=False)


def _pointwise(channels: int, relu: bool = True) -> Conv:
    return Conv(channels=channels, kernel=1, pad=(0, 0), relu=relu)


PLANS: dict[str, StagePlan] = {"two_branch": two_branch, "lightweight": lightweight}
