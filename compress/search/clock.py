"""One time of the teacher for a whole study: milliseconds of all trials are ratios to it.

Trials are timed hours apart, on several machines, each in turn with the teacher: the ratio holds, the clock drifts.
So a trial's milliseconds are put on one clock before anything reads them: constraints, ranks, tables, figures, budgets.
"""

from collections.abc import Callable

from compress.measure.latency_facts import Latencies, Latency
from compress.results.records import Record

Constant = Callable[[str, float], float]
"""Name, value -> the value that the study's processes go by: the first one that was given under this name."""


def on_one_clock(record: Record, teacher: Record, constant: Constant) -> Record:
    """The record with every time as its ratio times the study's time of the teacher, by runtime, threads and size.

    teacher: measured on this machine; its times count where the study knows none yet.
    """
    ours, theirs = record.facts(Latencies), teacher.facts(Latencies)
    if ours is None or theirs is None:
        return record
    known = {(one.runtime, one.threads): one for one in theirs.runtimes}
    told = tuple(
        _told(one, known[one.runtime, one.threads], constant) if (one.runtime, one.threads) in known else one
        for one in ours.runtimes
    )
    measurement = record.measurement.replaced(ours.model_copy(update={"runtimes": told}))
    return record.model_copy(update={"measurement": measurement})


def _told(ours: Latency, theirs: Latency, constant: Constant) -> Latency:
    sizes = " ".join(f"{one.input_h}x{one.input_w}" for one in theirs.parts)
    total_ms = ours.ratio * constant(f"teacher_ms {ours.runtime} {ours.threads} {sizes}", theirs.total_ms)
    drift = total_ms / ours.total_ms  # of all parts alike: they were timed in the same rounds
    parts = tuple(
        one.model_copy(update={"median_ms": one.median_ms * drift, "p90_ms": one.p90_ms * drift}) for one in ours.parts
    )
    return ours.model_copy(update={"total_ms": total_ms, "parts": parts})
