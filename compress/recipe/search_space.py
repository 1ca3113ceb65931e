"""What may stand at a path: a tree of plain data with choices in it. A choice inside an option is there only with it.

A choice in a list whose chosen value is itself a list is put in flat, so that steps come and go with it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compress.common.yaml_source import Keys

Scalar = str | int | float | bool | None
Assignment = Mapping[str, Scalar]


@dataclass(frozen=True)
class Options:
    """One of several values, each with a word for it."""

    name: str
    keys: Keys
    labels: tuple[Scalar, ...]
    values: tuple[Any, ...]
    """Trees, in the order of the labels."""

    def value(self, label: Scalar) -> Any:
        """The tree of a label."""
        return self.values[[_same(label, one) for one in self.labels].index(True)]


@dataclass(frozen=True)
class Range:
    """A number between two bounds, both included."""

    name: str
    keys: Keys
    whole: bool
    low: float
    high: float
    step: float | None
    log: bool

    def holds(self, value: object) -> bool:
        """Whether this number can be chosen."""
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.whole and not isinstance(value, int)):
            return False
        if not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9

    def count(self) -> int | None:
        """How many numbers there are; None where there is no end of them."""
        if self.step is None:
            return None
        return int((self.high - self.low) / self.step + 1e-9) + 1

    @property
    def bounds(self) -> tuple[int, int] | tuple[float, float]:
        """Low and high, as whole numbers where only whole ones can be chosen."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


Parameter = Options | Range
Choose = Callable[[Parameter], Scalar]


def resolve(tree: Any, choose: Choose) -> Any:
    """Plain data: every choice that is met is put to `choose`, outer ones first."""
    if isinstance(tree, Options):
        return resolve(tree.value(choose(tree)), choose)
    if isinstance(tree, Range):
        return choose(tree)
    if isinstance(tree, dict):
        return {key: resolve(value, choose) for key, value in tree.items()}
    if isinstance(tree, list):
        flat: list[Any] = []
        for item in tree:
            value = resolve(item, choose)
            flat += value if isinstance(item, Options) and isinstance(value, list) else [value]
        return flat
    return tree


def choices(tree: Any) -> Iterator[Parameter]:
    """Every choice of a tree, outer ones first."""
    if isinstance(tree, Options | Range):
        yield tree
    for below in _below(tree):
        yield from choices(below)


def _below(tree: Any) -> Iterator[Any]:
    if isinstance(tree, Options):
        yield from tree.values
    elif isinstance(tree, dict):
        yield from tree.values()
    elif isinstance(tree, list):
        yield from tree


def count(tree: Any) -> int | None:
    """How many ways there are to choose; None where a number can be any in a range."""
    if isinstance(tree, Range):
        return tree.count()
    counts = [count(below) for below in _below(tree)]
    known = [one for one in counts if one is not None]
    if len(known) < len(counts):
        return None
    if isinstance(tree, Options):
        return sum(known)
    product = 1
    for one in known:
        product *= one
    return product


def assignments(tree: Any) -> Iterator[dict[str, Scalar]]:
    """Every way to choose, in the order in which options and numbers are written; nothing where there is no end."""
    if count(tree) is None:
        return
    if isinstance(tree, Options):
        for label, value in zip(tree.labels, tree.values, strict=True):
            for below in assignments(value):
                yield from _joined({tree.name: label}, below)
    elif isinstance(tree, Range):
        for number in range(tree.count() or 0):
            value = tree.low + number * (tree.step or 0)
            yield {tree.name: int(value) if tree.whole else float(f"{value:.12g}")}
    else:
        first, *rest = [*_below(tree)] or [None]
        for one in assignments(first) if first is not None else [{}]:
            for others in assignments(rest) if rest else [{}]:
                yield from _joined(one, others)


def choices_of(tree: Any, data: Any) -> Iterator[dict[str, Scalar]]:
    """Every way to choose that makes this data of the tree; nothing if the tree cannot be that."""
    if isinstance(tree, Options):
        for label, value in zip(tree.labels, tree.values, strict=True):
            for below in choices_of(value, data):
                yield from _joined({tree.name: label}, below)
    elif isinstance(tree, Range):
        if tree.holds(data):
            yield {tree.name: data}
    elif isinstance(tree, dict):
        if isinstance(data, dict) and tree.keys() == data.keys():
            yield from _all_of([(tree[key], data[key]) for key in tree])
    elif isinstance(tree, list):
        if isinstance(data, list):
            yield from _lists(tree, data)
    elif _same(tree, data):
        yield {}


def _all_of(pairs: list[tuple[Any, Any]]) -> Iterator[dict[str, Scalar]]:
    if not pairs:
        yield {}
        return
    (tree, data), *rest = pairs
    for first in choices_of(tree, data):
        for others in _all_of(rest):
            yield from _joined(first, others)


def _lists(tree: list[Any], data: list[Any]) -> Iterator[dict[str, Scalar]]:
    """A list against a list, in which an option that is a list takes as many items as it holds."""
    if not tree:
        if not data:
            yield {}
        return
    item, *rest = tree
    if isinstance(item, Options):
        for label, value in zip(item.labels, item.values, strict=True):
            taken = value if isinstance(value, list) else [value]
            for below in _lists([*taken, *rest], data):
                yield from _joined({item.name: label}, below)
    elif data:
        yield from _all_of_list(item, data[0], rest, data[1:])


def _all_of_list(item: Any, first: Any, rest: list[Any], others: list[Any]) -> Iterator[dict[str, Scalar]]:
    for one in choices_of(item, first):
        for below in _lists(rest, others):
            yield from _joined(one, below)


def _joined(one: dict[str, Scalar], other: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
    """Both, unless choices of one name, which are one choice, differ."""
    if all(_same(other[name], value) for name, value in one.items() if name in other):
        yield {**one, **other}


def _same(one: Any, other: Any) -> bool:
    """Equal, with true and 1 told apart."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
