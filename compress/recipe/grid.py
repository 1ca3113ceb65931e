"""`stages: {each: [5, 4, 3]}` -> one candidate for each value; several `each` give every combination."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.diagnostics import Mistakes, show
from compress.recipe.models import MAX_CANDIDATES, MAX_STEPS

EACH = "each"
_Slot = Keys
"""Path of a setting that varies, within its candidate."""


@dataclass(frozen=True)
class Expanded:
    """One candidate without `each`, still plain data, and how its paths lead back to what the user wrote."""

    data: Any
    origin: int
    choices: dict[_Slot, int | None]
    """Which value of an `each` was taken; None where the `each` itself is wrong."""

    def user_keys(self, keys: Keys) -> Keys:
        """A path within this candidate -> the path in the recipe as it was written."""
        for slot, choice in self.choices.items():
            end = len(slot)
            if keys[:end] == slot:
                chosen: Keys = () if choice is None else (choice,)
                return ("candidates", self.origin, *slot, EACH, *chosen, *keys[end:])
        return ("candidates", self.origin, *keys)


def expand(candidates: Sequence[Any], mistakes: Mistakes) -> list[Expanded]:
    """All candidates in the order written, the last `each` of a candidate varying fastest."""
    expanded: list[Expanded] = []
    for origin, candidate in enumerate(candidates):
        slots = {slot: _values(origin, slot, raw, mistakes) for slot, raw in _slots(candidate)}
        count = math.prod(len(values) for values in slots.values())
        if len(expanded) + count > MAX_CANDIDATES:
            message = f"makes {len(expanded) + count} candidates, together with those before; at most {MAX_CANDIDATES}"
            mistakes.add(("candidates", origin), message)
            # The first values of each are still looked at, so that other mistakes show now.
            slots = {slot: values[:1] for slot, values in slots.items()}
        for chosen in product(*slots.values()):
            expanded.append(_with(candidate, origin, dict(zip(slots, chosen, strict=True))))
    return expanded


def _slots(candidate: Any) -> Iterator[tuple[_Slot, dict[str, Any]]]:
    for key, found in candidate.items() if isinstance(candidate, dict) else ():
        if key == "steps" and isinstance(found, list) and len(found) <= MAX_STEPS:
            for position, step in enumerate(found):
                for name, value in step.items() if isinstance(step, dict) else ():
                    if name != "step" and isinstance(value, dict) and EACH in value:
                        yield (key, position, name), value
        elif key == "inference":
            yield from _slots_below(found, (key,))


def _slots_below(data: Any, keys: Keys) -> Iterator[tuple[_Slot, dict[str, Any]]]:
    if isinstance(data, dict):
        if EACH in data:
            yield keys, data
            return
        for name, value in data.items():
            yield from _slots_below(value, (*keys, name))


def _values(origin: int, slot: _Slot, raw: dict[str, Any], mistakes: Mistakes) -> list[tuple[int | None, Any]]:
    """The values of one `each` with their positions; a wrong `each` gives nothing, once."""
    here: Keys = ("candidates", origin, *slot)
    for other in raw:
        if other != EACH:
            mistakes.add((*here, other), "`each` stands alone, nothing beside it")
    values = raw[EACH]
    if not isinstance(values, list) or not values:
        found = "an empty list" if values == [] else show(values)
        mistakes.add((*here, EACH), f"expected a list of values, one candidate for each, got {found}")
        return [(None, None)]
    kept: list[tuple[int | None, Any]] = []
    seen: dict[str, int] = {}
    for position, value in enumerate(values):
        first = seen.setdefault(repr(value), position)
        if first == position:
            kept.append((position, value))
        else:
            mistakes.add((*here, EACH, position), f"{show(value)} is there twice, first at position {first}")
    return kept


def _with(candidate: Any, origin: int, chosen: dict[_Slot, tuple[int | None, Any]]) -> Expanded:
    if not chosen:
        return Expanded(candidate, origin, {})
    data = candidate
    for slot, (_, value) in chosen.items():
        data = _replaced(data, slot, value)
    return Expanded(data, origin, {slot: index for slot, (index, _) in chosen.items()})


def _replaced(data: Any, keys: Keys, value: Any) -> Any:
    """The same data with another value at a path."""
    if not keys:
        return value
    key, *rest = keys
    changed: Any = list(data) if isinstance(data, list) else dict(data)
    changed[key] = _replaced(data[key], tuple(rest), value)
    return changed
