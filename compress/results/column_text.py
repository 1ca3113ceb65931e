"""Any numeric column as text: with its unit, its 95% interval, and as a difference from another value."""

from compress.common.formatting import NONE, degrees, percent, ratio, scaled, significant
from compress.measure.facts import Form
from compress.measure.fidelity import Fidelity
from compress.measure.latency_facts import Latency
from compress.results.columns import COLUMNS, number
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.pareto import TIME_OBJECTIVES, within_timing_noise
from compress.results.records import Record

_TIMES = ("latency_ratio", "latency_ratio_ci_low", "latency_ratio_ci_high")


def value_text(column: str, value: float | None) -> str:
    """`30.1 ms`, `12.3%`, `7.80 MB`, `0.78x`, `2.31 deg`."""
    return form_text(form_of(column), value, COLUMNS[column][1].unit if column in COLUMNS else "")


def form_of(column: str) -> Form:
    """How a column's values read."""
    return COLUMNS[column][1].form if column in COLUMNS else "number"


def form_text(form: Form, value: float | None, unit: str = "") -> str:
    """One value, with its unit."""
    if value is None:
        return NONE
    match form:
        case "percent":
            return percent(value)
        case "ratio":
            return f"{ratio(value)}x"
        case "count" | "bytes":
            return scaled(value, "B" if form == "bytes" else "")
        case "degrees":
            return f"{degrees(value)} {unit}".strip()
        case "number":
            return f"{significant(value)} {unit}".strip()


def ratio_text(latency: Latency) -> str:
    """`0.78x (0.77-0.79)`: candidate time over teacher time, and its 95% interval."""
    return f"{ratio(latency.ratio)}x ({ratio(latency.ratio_ci_low)}-{ratio(latency.ratio_ci_high)})"


def difference_text(column: str, value: float | None, reference: float | None) -> str:
    """`34.1 ms (+20%)`: a value, and its difference from another one; shares differ in points."""
    text = value_text(column, value)
    if value is None or reference is None or value == reference:
        return text
    if form_of(column) == "percent":
        return f"{text} ({100 * (value - reference):+.1f} points)"
    if reference == 0:
        return text
    return f"{text} ({100 * (value / reference - 1):+.0f}%)"


def column_label(column: str) -> str:
    """As the column reads within a sentence."""
    return OBJECTIVES[column].label if column in OBJECTIVES else column


def axis_title(objective: Objective) -> str:
    """The label with its unit, as the title of an axis."""
    label = objective.label[:1].upper() + objective.label[1:]
    return f"{label} [{objective.unit}]" if objective.unit else label


def direction_text(objective: Objective) -> str:
    """Which way an objective is meant."""
    return "lower is better" if objective.smaller_is_better else "higher is better"


def interval(record: Record, column: str) -> tuple[float, float] | None:
    """The 95% interval of a column; None where none was taken.

    Of a time in ms it is that of the ratio, times the teacher's median: what is uncertain is the comparison.
    """
    value = number(record, column)
    if value is None:
        return None
    if column in ("latency_ratio", "latency_ms"):
        ratio, low, high = (number(record, name) for name in _TIMES)
        if not ratio or low is None or high is None or low == high:
            return None
        unit = 1.0 if column == "latency_ratio" else value / ratio
        return min(low * unit, value), max(high * unit, value)
    fidelity = record.facts(Fidelity)
    found = None if fidelity is None else fidelity.intervals.get(column)
    return None if found is None or found[0] == found[1] else found


def indistinguishable_in(one: Record, other: Record, column: str) -> bool:
    """Whether both have times whose intervals overlap, so that neither can be called the better one.

    Only of times: they were taken in turn, against the same teacher. The intervals of L2 are those of the images, which
    all candidates share; they overlap also where one candidate is better on every single image.
    """
    return column in TIME_OBJECTIVES and within_timing_noise(one, other)
