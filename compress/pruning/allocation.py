"""How many channels each group keeps: the same share everywhere, or where they cost most and matter least.

Counts alone; which channels stay is decided by their importance (compress.pruning.importance).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from compress.pruning.channel_graph import Convolution, Group, Layout, Widths
from compress.pruning.importance import Scores

Counts = dict[str, int]
"""For each group, by name, the channels that stay."""
_PIECES = 16
"""A search takes a layer's channels in at most so many pieces: a table of 512 widths would take hours to measure."""
_LOOK_AHEAD = 2
"""Pieces weighed together. A runtime that computes 16 channels at a time gains nothing from 8 fewer, but from 16."""


def rounded(width: int, ratio: float, round_to: int) -> int:
    """What stays of `width` channels when the share `ratio` goes: the nearest multiple of `round_to`, at least one.

    A layer that is not wider than `round_to` stays as it is.
    """
    if not ratio:
        return width
    return min(width, max(round_to, round_to * math.floor(width * (1 - ratio) / round_to + 0.5)))


@dataclass(frozen=True)
class Shares:
    """Which share of its channels each group loses."""

    base: float
    parts: Mapping[str, float]
    """For parts of the network, by name; the most specific name counts."""

    def of(self, group: Group) -> float:
        """The share that this group loses; makers in several parts lose the smallest of theirs."""
        return min(self._of(maker) for maker in group.makers)

    def _of(self, maker: str) -> float:
        return next((self.parts[name] for name in part_names(maker) if name in self.parts), self.base)


def part_names(maker: str) -> tuple[str, ...]:
    """The names that a recipe may call this maker's part by, most specific first.

    `stages.1.paf.3` -> stage_2.paf, stage_2, paf, stages; everything in the backbone -> backbone.
    """
    place = maker.split(".")
    if place[0] == "backbone":
        return ("backbone",)
    stage, branch = f"stage_{int(place[1]) + 1}", place[2]
    return (f"{stage}.{branch}", stage, branch, "stages")


def uniform(layout: Layout, shares: Shares, round_to: int) -> Counts:
    """Every group loses its share."""
    return {group.name: rounded(group.width, shares.of(group), round_to) for group in layout.groups}


def uniform_to_macs(layout: Layout, target: float, parts: Mapping[str, float], round_to: int) -> Counts:
    """The smallest common share with which at most `target` multiply-accumulates stay; named parts keep theirs.

    Rounding makes the shares that differ few, and all equally wide layers step down together. So the last step is
    taken group by group, the one that saves most first, until the target is met. ValueError if no share meets it.
    """
    tried = [uniform(layout, Shares(number / 1000, parts), round_to) for number in range(1000)]
    met = bisect_left(tried, -target, key=lambda counts: -layout.macs(layout.narrowed(counts)))
    if met == len(tried):
        raise ValueError(f"{layout.macs(layout.narrowed(tried[-1])):,} is the least there can be")
    if not met:
        return tried[0]
    counts, narrow = dict(tried[met - 1]), tried[met]
    while layout.macs(layout.narrowed(counts)) > target:
        open_ = [name for name in counts if counts[name] > narrow[name]]
        counts = min(
            ({**counts, name: narrow[name]} for name in open_), key=lambda new: layout.macs(layout.narrowed(new))
        )
    return counts


Price = Callable[[Convolution, int, int], float]
"""What a convolution costs with so many channels in and out, in any unit."""


@dataclass(frozen=True)
class Search:
    """What is searched piece by piece, and until when."""

    layout: Layout
    scores: Scores
    round_to: int
    fixed: Counts
    """Groups whose count is decided already."""
    enough: Callable[[Widths], bool]
    """Whether these widths of all makers are narrow enough."""


def greedy(search: Search, price: Price | None = None) -> Counts:
    """Takes away the piece that loses least importance, per cost saved if there is a price, until it is enough.

    The importance lost by a group is the logarithm of the share that stays, so that what is left of a narrow layer is
    dear and scores of different layers need no common scale. ValueError if nothing is left to take.
    """
    counts = {group.name: group.width for group in search.layout.groups} | search.fixed
    offers = [_Offer(search, group, price) for group in search.layout.groups if group.name not in search.fixed]
    while not search.enough(search.layout.narrowed(counts)):
        found = [(rate, offer.group.name, fewer) for offer in offers for fewer, rate in offer.rates(counts)]
        if not found:
            raise ValueError("nothing is left to take away that would save anything")
        _, name, fewer = max(found)
        counts[name] = fewer
    return counts


class _Offer:
    """What taking pieces from one group saves and loses."""

    def __init__(self, search: Search, group: Group, price: Price | None) -> None:
        self.search, self.group, self.price = search, group, price
        self.kept = _kept_importance(search.scores[group.name])
        self.touched = [
            convolution
            for convolution in search.layout.convolutions
            if not set(group.makers).isdisjoint((*convolution.reads, convolution.makes))
        ]

    def rates(self, counts: Counts) -> Iterator[tuple[int, float]]:
        """Smaller counts and how good a bargain each is: higher is better."""
        before = counts[self.group.name]
        now = self.cost(counts)
        for fewer in _narrower(before, self.group.width, self.search.round_to):
            lost = max(math.log(self.kept[before] / self.kept[fewer]), 1e-9)
            saved = now - self.cost({**counts, self.group.name: fewer})
            if self.price is None:
                yield fewer, -lost
            elif saved > 0:
                yield fewer, saved / lost

    def cost(self, counts: Counts) -> float:
        if self.price is None:
            return 0.0
        widths = self.search.layout.narrowed(counts)
        return sum(self.price(convolution, *convolution.channels(widths)) for convolution in self.touched)


def _kept_importance(scores: torch.Tensor) -> list[float]:
    """Entry n: the sum of the squares of the n largest scores, never quite zero."""
    squares = scores.double().square().sort(descending=True).values
    tiny = 1e-12 * max(float(squares.sum()), 1e-30)
    return [tiny, *(float(total) + tiny for total in squares.cumsum(0))]


def _narrower(count: int, width: int, round_to: int) -> list[int]:
    """The next smaller counts to look at, multiples of a piece; none below `round_to`."""
    piece = round_to * math.ceil(width / _PIECES / round_to)
    below = piece * ((count - 1) // piece)
    found = [max(round_to, below - number * piece) for number in range(_LOOK_AHEAD)]
    return sorted({fewer for fewer in found if fewer < count}, reverse=True)


def strongest(scores: torch.Tensor, count: int) -> list[int]:
    """The channels that go when `count` stay: those of least importance; of equal ones the last."""
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    return sorted(order[count:])
