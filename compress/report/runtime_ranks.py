"""Do candidates rank alike in every runtime that was measured? Facts first, then the words and the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed, significant
from compress.report.document import Block
from compress.report.facts import RunView
from compress.report.kinematic_ranks import FEWEST, spearman
from compress.report.words import ratio
from compress.results.records import Latency, Record


@dataclass(frozen=True)
class RuntimeAgreement:
    """The order of the candidates by time in a further runtime, against that in the one that counts."""

    runtime: str
    other: str
    candidates: int
    """How many have times in both; the teacher is one of them."""
    rho: float | None
    """Spearman's; None for fewer than four candidates, or where all are equal."""
    swapped: tuple[tuple[str, str], ...]
    """The first is faster than the second in `runtime` and slower in `other`, beyond both 95% intervals."""


def runtime_agreements(records: Sequence[Record]) -> tuple[RuntimeAgreement, ...]:
    """For each runtime after the first; empty where one alone was measured."""
    timed = [record for record in records if record.measurement.latency]
    if not timed:
        return ()
    first = timed[0].measurement.latency[0].runtime
    others = dict.fromkeys(one.runtime for record in timed for one in record.measurement.latency[1:])
    return tuple(_agreement(timed, first, other) for other in others)


def _agreement(records: Sequence[Record], first: str, other: str) -> RuntimeAgreement:
    by_name = {record.name: {one.runtime: one for one in record.measurement.latency} for record in records}
    both = {name: (found[first], found[other]) for name, found in by_name.items() if {first, other} <= found.keys()}
    rho = None
    if len(both) >= FEWEST:
        rho = spearman([one.ratio for one, _ in both.values()], [two.ratio for _, two in both.values()])
    swapped = []
    for left, right in combinations(both, 2):
        here, there = (_order(both[left][side], both[right][side]) for side in (0, 1))
        if here * there < 0:
            swapped.append((left, right) if here < 0 else (right, left))
    return RuntimeAgreement(first, other, len(both), rho, tuple(swapped))


def _order(one: Latency, other: Latency) -> int:
    """-1 if the first is faster beyond both intervals, 1 if slower, 0 if that cannot be told."""
    return (one.ratio_ci_low > other.ratio_ci_high) - (one.ratio_ci_high < other.ratio_ci_low)


def runtime_blocks(run: RunView) -> list[Block]:
    """A sentence for each further runtime, and the ratios side by side."""
    records = [candidate.record for candidate in run.candidates]
    agreements = runtime_agreements(records)
    if not agreements:
        return []
    runtimes = [agreements[0].runtime, *(one.other for one in agreements)]
    rows = []
    for record in records:
        found = {one.runtime: one for one in record.measurement.latency}
        cells = [text for name in runtimes for text in _cells(found.get(name))]
        rows.append(Row((record.name, *cells), "teacher" if record.role == "teacher" else "plain"))
    head = ("Candidate", *(text for name in runtimes for text in (f"{name} [ms]", f"{name}, ratio (95% interval)")))
    caption = "Network time in each runtime, summed over the scales; each ratio is to the teacher in the same runtime"
    return [*(Paragraph(_sentence(one)) for one in agreements), Table(caption, head, tuple(rows))]


def _cells(latency: Latency | None) -> tuple[str, str]:
    return (NONE, NONE) if latency is None else (significant(latency.total_ms), ratio(latency))


def _sentence(one: RuntimeAgreement) -> str:
    agree = f"Spearman's rho between the times in {one.runtime} and {one.other}"
    told = f"{agree}: {one.rho:.2f} over {counted(one.candidates, 'network')}." if one.rho is not None else ""
    if one.rho is None:
        told = f"{agree} is not stated: it needs {FEWEST} networks that differ, there are {one.candidates}."
    if not one.swapped:
        return f"{told} No two change places beyond their 95% intervals."
    pairs = listed([f"{faster} is faster than {slower} in {one.runtime}" for faster, slower in one.swapped])
    return f"{told} The rankings differ: {pairs}, and slower in {one.other}."
