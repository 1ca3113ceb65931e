"""Any numeric column as people read it: with its unit, its interval, and beside another value."""

from compress.common.formatting import NONE, degrees, percent, scaled, significant
from compress.results.columns import number
from compress.results.objectives import OBJECTIVES
from compress.results.pareto import TIME_OBJECTIVES, within_timing_noise
from compress.results.records import Record

_SHARES = ("heat_rel_l2", "joint_rel_l2", "paf_rel_l2", "people_recall")
_TIMES = ("latency_ratio", "latency_ratio_ci_low", "latency_ratio_ci_high")


def reading(column: str, value: float | None) -> str:
    """`30.1 ms`, `12.3%`, `7.80 MB`, `0.78x`, `2.31 deg`."""
    if value is None:
        return NONE
    if column in _SHARES:
        return percent(value)
    if column in _TIMES:
        return f"{value:.2f}x"
    if column in ("params", "macs") or column.endswith("_bytes"):
        return scaled(value, "B" if column.endswith("_bytes") else "")
    unit = OBJECTIVES[column].unit if column in OBJECTIVES else ""
    return f"{degrees(value) if unit == 'deg' else significant(value)} {unit}".strip()


def bounds(record: Record, column: str) -> tuple[float, float] | None:
    """The 95% interval of a column; None where none was taken.

    Of a time in ms it is that of the ratio, times the teacher's median: what is uncertain is the comparison.
    """
    value = number(record, column)
    if value is None:
        return None
    if column in ("latency_ratio", "latency_ms"):
        ratio, lo, hi = (number(record, name) for name in _TIMES)
        if not ratio or lo is None or hi is None or lo == hi:
            return None
        unit = 1.0 if column == "latency_ratio" else value / ratio
        return min(lo * unit, value), max(hi * unit, value)
    fidelity = record.measurement.fidelity
    found = None if fidelity is None else fidelity.intervals.get(column)
    return None if found is None or found[0] == found[1] else found


def overlapping(one: Record, other: Record, column: str) -> bool:
    """Whether both have times whose intervals overlap, so that neither can be called the better one.

    Only of times: they were taken in turn, against the same teacher. The intervals of L2 are those of the images, which
    all candidates share; they overlap also where one candidate is better on every single image.
    """
    return column in TIME_OBJECTIVES and within_timing_noise(one, other)


def beside(column: str, value: float | None, reference: float | None) -> str:
    """`34.1 ms (+20%)`: a value, and how it lies to another one; shares differ in points."""
    text = reading(column, value)
    if value is None or reference is None or value == reference:
        return text
    if column in _SHARES:
        return f"{text} ({100 * (value - reference):+.1f} points)"
    if reference == 0:
        return text
    return f"{text} ({100 * (value / reference - 1):+.0f}%)"
