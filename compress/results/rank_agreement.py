"""Do two measurements put the candidates in the same order? One sentence for each pair."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from compress.common.formatting import counted, listed
from compress.measure.latency_facts import Latencies, Latency
from compress.results.column_text import column_label
from compress.results.columns import number
from compress.results.records import Record

FEWEST = 4
"""Of three candidates one order in six agrees with any other; that is no evidence."""
L2, DEGREES = "joint_rel_l2", "angle_median_deg"
_PAIRS_NAMED = 3


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation of (n,) and (n,); None below four values, or where either side is constant."""
    if len(one) < FEWEST or len({*one}) == 1 or len({*other}) == 1:
        return None
    from scipy.stats import spearmanr  # noqa: PLC0415 - slow to import, and few runs get here

    return float(spearmanr(one, other).statistic)


def rank_sentences(records: Sequence[Record]) -> tuple[str, ...]:
    """Relative L2 against degrees, then the first runtime against each further one; empty where too few have both."""
    finished = [record for record in records if record.error is None]
    return (*_angles([record for record in finished if record.role == "candidate"]), *_runtimes(finished))


def _angles(candidates: Sequence[Record]) -> list[str]:
    pairs = {record.name: (number(record, L2), number(record, DEGREES)) for record in candidates}
    known = {name: (l2, deg) for name, (l2, deg) in pairs.items() if l2 is not None and deg is not None}
    rho = spearman([l2 for l2, _ in known.values()], [deg for _, deg in known.values()])
    if rho is None:
        return []
    text = f"Spearman's rank correlation of {column_label(L2)} with {column_label(DEGREES)} is {rho:.2f}"
    text += f" over {counted(len(known), 'candidate')}"
    swapped = _swapped(known)
    return [f"{text}. {len(swapped)} of {counted(_pairs(len(known)), 'pair')} are in the opposite order."]


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _swapped(known: Mapping[str, tuple[float, float]]) -> list[tuple[str, str]]:
    """Pairs of which the first is better in the first number and worse in the second."""
    found = []
    for one, other in combinations(known, 2):
        near, far = (one, other) if known[one][0] < known[other][0] else (other, one)
        if known[near][0] < known[far][0] and known[near][1] > known[far][1]:
            found.append((near, far))
    return found


def _runtimes(records: Sequence[Record]) -> list[str]:
    timed = {record.name: found for record in records if (found := record.facts(Latencies)) is not None}
    if not timed:
        return []
    first = next(iter(timed.values())).first.runtime
    others = dict.fromkeys(one.runtime for found in timed.values() for one in found.runtimes[1:])
    return [_runtime(timed, first, other) for other in others]


def _runtime(timed: Mapping[str, Latencies], first: str, other: str) -> str:
    by_name = {name: {one.runtime: one for one in found.runtimes} for name, found in timed.items()}
    both = {name: (found[first], found[other]) for name, found in by_name.items() if {first, other} <= found.keys()}
    rho = spearman([one.ratio for one, _ in both.values()], [two.ratio for _, two in both.values()])
    text = f"{counted(len(both), 'network')} {'was' if len(both) == 1 else 'were'} timed in {first} and in {other}"
    text += "." if rho is None else f"; Spearman's rank correlation of the times is {rho:.2f}."
    swapped = []
    for left, right in combinations(both, 2):
        here, there = (_order(both[left][side], both[right][side]) for side in (0, 1))
        if here * there < 0:
            swapped.append((left, right) if here < 0 else (right, left))
    if not swapped:
        return f"{text} No two change places beyond their 95% intervals."
    named = listed([f"{faster} and {slower}" for faster, slower in swapped[:_PAIRS_NAMED]])
    more = f", and {len(swapped) - _PAIRS_NAMED} more pairs" if len(swapped) > _PAIRS_NAMED else ""
    return f"{text} In {other} these change places: {named}{more}."


def _order(one: Latency, other: Latency) -> int:
    """-1 if the first is faster beyond both intervals, 1 if slower, 0 if that cannot be told."""
    return (one.ratio_ci_low > other.ratio_ci_high) - (one.ratio_ci_high < other.ratio_ci_low)
