"""Which layers compute in int8: what the recipe keeps in float, and what an error limit leaves in float."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress.common.progress import Reporter
from compress.core.notes import BlockSensitivity
from compress.pruning.allocation import part_names
from compress.quantization.calibrate import Fitted, fit
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.sensitivity import blocks, relative, sensitivities
from compress.reconstruction.visitor import before_norms
from teachers.posenet import PoseNet

HEADS = "heads"
_SEARCH_FRAMES = 8
"""Of each size, for the search that keeps an error limit; the network that ships is fitted on all of them."""


@dataclass(frozen=True)
class PrecisionSettings:
    """The recipe's settings of `quantize` that decide it."""

    keep_float: tuple[str, ...]
    max_rel_l2: float | None
    gptq: bool


@dataclass(frozen=True)
class PrecisionChoice:
    """Which blocks stay float, and why."""

    int8: frozenset[str]
    """Convolutions."""
    floats: tuple[str, ...]
    """Blocks that stay float, in the order in which they were chosen."""
    table: tuple[BlockSensitivity, ...]
    limit_kept: bool | None
    """Whether `max_rel_l2` could be kept on the held-out frames; None without one."""


def named(network: PoseNet) -> dict[str, frozenset[str]]:
    """Every name that `keep_float` may hold -> the blocks that it stands for."""
    found: dict[str, set[str]] = {}
    for block in blocks(network):
        for name in (block, *part_names(block)):
            found.setdefault(name, set()).add(block)
    for number, stage in enumerate(network.spec.stages):
        for branch in ("paf", "heatmap"):
            head = f"stages.{number}.{branch}.{len(getattr(stage, branch)) - 1}"
            found.setdefault(HEADS, set()).update(one for one in blocks(network) if one.startswith(head))
    return {name: frozenset(members) for name, members in found.items()}


def choose_and_fit(
    network: PoseNet, asked: PrecisionSettings, frames: Sequence[Tensor], held_out: Sequence[Tensor], reporter: Reporter
) -> tuple[PrecisionChoice, Fitted]:
    """The int8 network; with `max_rel_l2`, as few blocks stay float as keep it, those that int8 harms most alone.

    Blocks that an instance norm follows stay float in any case.

    frames: to fit on; held_out: to rank blocks and to judge on; batches (N, 3, H, W), one for each input size.
    """
    all_blocks, names = blocks(network), named(network)
    # In int8 a made-up MobileNet v2 with 39 instance norms was off by 0.57 in relative L2, with these in float by 0.04.
    normed = before_norms(network)
    kept = [
        block
        for block, members in all_blocks.items()
        if members & normed or any(block in names[name] for name in asked.keep_float)
    ]
    table = reporter.wait("what int8 does to each layer", lambda: sensitivities(network, held_out))
    worst = [one.block for one in sorted(table, key=lambda one: -one.mean) if one.block not in kept]

    def fitted(freed: int, seen: Sequence[Tensor]) -> Fitted:
        gone = {*kept, *worst[:freed]}
        int8 = frozenset(name for block, members in all_blocks.items() if block not in gone for name in members)
        return fit(network, seen, int8, asked.gptq)

    if asked.max_rel_l2 is None:
        made = reporter.wait("int8: layer by layer", lambda: fitted(0, frames))
        return PrecisionChoice(made.int8, tuple(kept), table, None), made
    with torch.inference_mode():
        exact = [network(batch) for batch in held_out]
    limit, most = asked.max_rel_l2, len(worst) - 1

    def keeps(made: Fitted) -> bool:
        with torch.inference_mode():
            found = [FakeQuantized(made.network, made.quantization)(batch) for batch in held_out]
        return sum(relative(found, exact)) / 2 <= limit

    few = tuple(one[:_SEARCH_FRAMES] for one in frames)
    freed = reporter.wait(
        "which layers go back to float", lambda: _fewest(most, lambda count: keeps(fitted(count, few)))
    )

    def settled() -> tuple[int, Fitted, bool]:
        """More frames mostly fit better than few; where they do not, more layers are freed until they do."""
        for more in (0, 1, 2, 4, 8, 16):
            count = min(most, (most if freed is None else freed) + more)
            made = fitted(count, frames)
            if keeps(made):
                return count, made, True
            if count == most:
                break
        return count, made, False

    count, made, limit_kept = reporter.wait("int8: layer by layer", settled)
    return PrecisionChoice(made.int8, (*kept, *worst[:count]), table, limit_kept), made


def _fewest(most: int, enough: Callable[[int], bool]) -> int | None:
    """The smallest count up to `most` that is enough, if more is never worse; None where even `most` is not."""
    if enough(0):
        return 0
    if not enough(most):
        return None
    too_few, found = 0, most
    while found - too_few > 1:
        middle = (too_few + found) // 2
        too_few, found = (too_few, middle) if enough(middle) else (middle, found)
    return found
