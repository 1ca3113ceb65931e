"""Network time, batch 1, in paired rounds: in a round every artefact runs once in turn, so drift affects all alike.

Imports no torch: what measures time also runs where only a runtime is installed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import interval, resamples
from eval.counters import Meter, ProcessMeter
from eval.cpu_load import Normal, RoundUsage, RunUsage, settled

_RESAMPLES = 2000
_MIN_WARMUP = 3
Runner = Callable[[], object]


@dataclass(frozen=True)
class LatencySettings:
    """How long is measured, and how much patience there is with other load."""

    threads: int = 1
    rounds: int = 12
    max_repeats: int = 4
    """How often a disturbed round is run again before it is kept and marked. All rounds of a scale are run again
    at most `rounds` times, so that a machine that is never quiet takes twice as long and not five times."""
    max_warmup: int = 8
    """Rounds at most before those that count."""

    def __post_init__(self) -> None:
        if self.threads < 1 or self.rounds < 1 or self.max_repeats < 0 or self.max_warmup < _MIN_WARMUP:
            raise ValueError(f"threads, rounds, repeats or warm-up too small: {self}")


@dataclass(frozen=True)
class Round:
    """One turn of every artefact at one scale."""

    scale: float
    seconds: dict[str, float]
    disturbed: bool
    """It stayed disturbed when the repeats ran out."""
    repeats: int
    """How many disturbed rounds were thrown away before this one."""


@dataclass(frozen=True)
class Timing:
    """Times of one artefact over the rounds, and its ratio to the reference, pair by pair."""

    median_ms: float
    p90_ms: float
    ratio: float
    ratio_ci_low: float
    ratio_ci_high: float


@dataclass(frozen=True)
class LatencySummary:
    """One artefact: per scale, and summed over the scales."""

    total: Timing
    """Of the sum over the scales."""
    scales: dict[float, Timing]
    disturbed: int
    """Rounds thrown away because something disturbed them, and run again; the same for all artefacts."""
    kept_disturbed: int
    """Rounds that are among these numbers although disturbed, because the repeats ran out."""


def run_rounds(
    runners: Mapping[str, Runner], scale: float, settings: LatencySettings, done: int = 0, meter: Meter | None = None
) -> Iterator[Round]:
    """Warms up, then yields the rounds that are missing: `done` of `settings.rounds` were run in an earlier call.

    The loaded artefacts must already use `settings.threads`. What counts as disturbed: eval.cpu_load.
    """
    meter = meter or ProcessMeter()
    if not runners:
        raise ValueError("there is no artefact to run")
    if done >= settings.rounds:
        return
    normal = _warm_up(runners, settings, meter)
    patience = settings.rounds
    for number in range(done, settings.rounds):
        names = turn(list(runners), number)
        timed = _run_round(runners, names, meter)
        repeats = 0
        while (disturbed := normal.disturbed(timed)) and repeats < settings.max_repeats and patience:
            timed = _run_round(runners, names, meter)
            repeats += 1
            patience -= 1
        yield Round(scale, {name: timed.runs[name].wall_s for name in runners}, disturbed, repeats)


def turn(names: Sequence[str], number: int) -> list[str]:
    """The order of round `number`: over the rounds every artefact runs at every place and after changing neighbours.

    Rotation alone would keep the neighbours. This is Williams' design (1949): 0, 1, n-1, 2, n-2, ..., shifted by one
    each round, and mirrored every second time through where n is odd.
    """
    count = len(names)
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    order = [names[(place + number) % count] for place in zigzag]
    return order[::-1] if count % 2 and number // count % 2 else order


def _run_round(runners: Mapping[str, Runner], names: Sequence[str], meter: Meter) -> RoundUsage:
    start, cpu_s, busy_s = meter.clock_s(), meter.counters().cpu_s, meter.busy_s()
    runs = {name: _measured(runners[name], meter) for name in names}
    own_s, end_busy_s, wall_s = meter.counters().cpu_s - cpu_s, meter.busy_s(), meter.clock_s() - start
    if busy_s is None or end_busy_s is None or wall_s <= 0:
        return RoundUsage(runs, None)
    return RoundUsage(runs, max(0.0, end_busy_s - busy_s - own_s) / wall_s)


def _measured(runner: Runner, meter: Meter) -> RunUsage:
    before = meter.counters()
    start = meter.clock_s()
    runner()
    wall_s = meter.clock_s() - start
    return RunUsage.between(before, meter.counters(), wall_s)


def _warm_up(runners: Mapping[str, Runner], settings: LatencySettings, meter: Meter) -> Normal:
    """Rounds until memory is in place and times have settled, within bounds; what they showed is taken as normal."""
    rounds = [_run_round(runners, turn(list(runners), number), meter) for number in range(_MIN_WARMUP)]
    while len(rounds) < settings.max_warmup and not settled(*rounds[-2:]):
        rounds.append(_run_round(runners, turn(list(runners), len(rounds)), meter))
    # Not the first ones, which load memory and caches.
    return Normal.of(rounds[-(_MIN_WARMUP - 1) :], meter.cores)


def summarise(rounds: Sequence[Round], reference: str, seed: int) -> dict[str, LatencySummary]:
    """Medians and paired ratios with 95% percentile bootstrap intervals over the rounds (Efron and Tibshirani 1993).

    Totals add the i-th rounds of all scales. Ratios are taken within a round, the reference's is 1. ValueError if the
    scales have no round in common or the rounds no such reference.
    """
    by_scale: dict[float, list[Round]] = {}
    for timed in rounds:
        by_scale.setdefault(timed.scale, []).append(timed)
    count = min((len(found) for found in by_scale.values()), default=0)
    if not count:
        raise ValueError("no round to summarise")
    if reference not in rounds[0].seconds:
        raise ValueError(f"no {reference!r} among {', '.join(rounds[0].seconds)}")
    times = {
        name: {scale: np.array([timed.seconds[name] for timed in found[:count]]) for scale, found in by_scale.items()}
        for name in rounds[0].seconds
    }
    picks = resamples(count, _RESAMPLES, seed)
    totals = {name: np.sum(list(scales.values()), axis=0) for name, scales in times.items()}
    return {
        name: LatencySummary(
            _timing(totals[name], totals[reference], picks),
            {scale: _timing(found, times[reference][scale], picks) for scale, found in scales.items()},
            disturbed=sum(timed.repeats for timed in rounds),
            kept_disturbed=sum(timed.disturbed for timed in rounds),
        )
        for name, scales in times.items()
    }


Sum = Mapping[str, float]
"""Name of a runner -> how often its time is taken."""


def summarise_sums(rounds: Sequence[Round], sums: Mapping[str, Sum], reference: str, seed: int) -> dict[str, Timing]:
    """Timings of weighted sums over the runners of each round, with ratios to the reference's sum in the same round.

    ValueError without a round.
    """
    if not rounds:
        raise ValueError("no round to summarise")
    times = {
        name: np.sum([[share * one.seconds[run] for one in rounds] for run, share in parts.items()], axis=0)
        for name, parts in sums.items()
    }
    picks = resamples(len(rounds), _RESAMPLES, seed)
    return {name: _timing(found, times[reference], picks) for name, found in times.items()}


def _timing(times: NDArray[np.float64], reference: NDArray[np.float64], picks: NDArray[np.int64]) -> Timing:
    ratios = times / reference
    low, high = interval(np.median(ratios[picks], axis=1))
    return Timing(
        median_ms=float(np.median(times)) * 1e3,
        p90_ms=float(np.percentile(times, 90)) * 1e3,
        ratio=float(np.median(ratios)),
        ratio_ci_low=low,
        ratio_ci_high=high,
    )
