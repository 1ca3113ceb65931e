"""What a candidate costs, how sure its place on the front is, and which model is recommended: one sentence each."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.common.formatting import listed, percent, ratio, significant
from compress.measure.fidelity import Fidelity
from compress.measure.kinematics import Kinematics
from compress.measure.latency_facts import Latencies, Latency
from compress.results.column_text import value_text
from compress.results.columns import number
from compress.results.goals import Goal, GoalResult
from compress.results.objectives import OBJECTIVES
from compress.results.recommendation import DEFAULT_GOAL, JudgedRecord, Recommendation
from compress.results.records import Record

_PLACES_NAMED = 6


def cost(record: Record) -> str:
    """What a candidate costs against the teacher, without its name: time, maps, angles."""
    if record.error is not None:
        return f"failed: {record.error}"
    latencies = record.facts(Latencies)
    if record.role == "teacher":
        parts = [] if latencies is None else [f"{latencies.first.total_ms:.0f} ms per frame"]
        return "; ".join(["the teacher, the reference of every ratio", *parts])
    refused = record.rejected_reason or ""
    parts = [refused, _time(latencies), _difference(record.facts(Fidelity)), _angles(record.facts(Kinematics))]
    return "; ".join(part for part in parts if part) or "neither time nor difference was measured"


def speed(latency: Latency) -> str:
    """The ratio the other way round, in words, and only where the interval allows a verdict."""
    if latency.ratio_ci_low <= 1 <= latency.ratio_ci_high:
        return "not measurably faster or slower than the teacher"
    if latency.ratio < 1:
        return f"{1 / latency.ratio:.2f} times as fast"
    return f"slower: {latency.ratio:.2f} times the time"


def _time(latencies: Latencies | None) -> str:
    if latencies is None:
        return ""
    latency = latencies.first
    interval = f"({ratio(latency.ratio_ci_low)}-{ratio(latency.ratio_ci_high)})"
    return f"{ratio(latency.ratio)}x the teacher's time {interval}, {speed(latency)}"


def _difference(fidelity: Fidelity | None) -> str:
    if fidelity is None:
        return ""
    return f"joints differ by {percent(fidelity.joint_rel_l2)}, PAFs by {percent(fidelity.paf_rel_l2)}"


def _angles(facts: Kinematics | None) -> str:
    if facts is None or facts.median_deg is None or facts.p95_deg is None:
        return ""
    parts = (f"median {facts.median_deg:.1f} deg", f"P95 {facts.p95_deg:.1f} deg", facts.tier)
    return f"joint angles: {', '.join(part for part in parts if part)}"


@dataclass(frozen=True)
class NoisyPlace:
    """A candidate that timing noise does not separate from others."""

    name: str
    near: tuple[str, ...]
    """Their times cannot be told apart from its own."""
    only_by_noise: tuple[str, ...]
    """It is on the front only because a time difference within noise separates it from these."""


def doubts(places: Sequence[NoisyPlace]) -> list[str]:
    """What timing noise leaves open, in at most two sentences."""
    texts = []
    if by_noise := [f"{place.name} ({listed(place.only_by_noise)})" for place in places if place.only_by_noise]:
        texts.append(f"On the front only by a time within noise of the candidate in brackets: {_some(by_noise)}.")
    pairs: dict[frozenset[str], str] = {}
    for place in places:
        for other in place.near:
            pairs.setdefault(frozenset((place.name, other)), f"{place.name} and {other}")
    if pairs:
        texts.append(f"Times within noise of each other: {_some([*pairs.values()], '; ')}.")
    return texts


def _some(texts: Sequence[str], between: str = ", ") -> str:
    more = len(texts) - _PLACES_NAMED
    return between.join(texts[:_PLACES_NAMED]) + (f"{between}and {more} more" if more > 0 else "")


def verdict(found: Recommendation) -> str:
    """The recommended model and why; or that no candidate keeps the limits, and which one is nearest."""
    if found.best is not None:
        return " ".join([f"Recommended model: {found.best.record.name}.", *_reason(found, found.best.record)])
    if not any(row.record.role == "candidate" and row.record.error is None for row in found.rows):
        return "There is no recommended model: no candidate was finished."
    if found.limits_from == "default":
        return f"There is no recommended model: the recipe has no goals, and no candidate meets {DEFAULT_GOAL}."
    assert found.nearest is not None, "a candidate was finished, so one of them is nearest"
    if not found.nearest.met:
        return f"There is no recommended model: no candidate is known to meet {_any(found)}."
    return " ".join(_nearest(found, found.nearest))


def _reason(found: Recommendation, best: Record) -> list[str]:
    deciding = OBJECTIVES[found.order[0]]
    value = number(best, deciding.name)
    if found.limits_from == "default":
        texts = [f"The recipe has no goals, so this is the fastest candidate that meets {DEFAULT_GOAL}."]
    elif len(found.able) == 1:
        texts = [f"It is the only candidate that meets {_all(found)}."]
    elif value is None:
        texts = [f"{len(found.able)} candidates meet {_all(found)}; {deciding.label} was not measured."]
    else:
        most = "lowest" if deciding.smaller_is_better else "highest"
        reached = f"{most} {deciding.label}: {value_text(deciding.name, value)}"
        texts = [f"Of the {len(found.able)} candidates that meet {_all(found)}, it has the {reached}."]
    if deciding.part == "latency" and (near := [name for name in found.within_noise if name in found.able]):
        texts.append(f"Within timing noise of it: {listed(near)}.")
    return texts


def _nearest(found: Recommendation, row: JudgedRecord) -> list[str]:
    texts = [f"No candidate meets {_all(found)}."]
    texts.append(f"The nearest is {row.record.name}, which meets {row.met} of {len(found.goals)}.")
    if row.missed:
        texts.append(f"It misses {listed([f'{result.goal} ({result_text(result)})' for result in row.missed])}.")
    if row.unmeasured:
        texts.append(f"Not measured: {listed([str(result.goal) for result in row.unmeasured])}.")
    return texts


def _all(found: Recommendation) -> str:
    noun, count = _noun(found), len(found.goals)
    return f"the {noun} {found.goals[0]}" if count == 1 else f"both {noun}s" if count == 2 else f"all {count} {noun}s"


def _any(found: Recommendation) -> str:
    return _all(found) if len(found.goals) == 1 else f"any of the {len(found.goals)} {_noun(found)}s"


def _noun(found: Recommendation) -> str:
    return "limit" if found.limits_from == "budget" else "goal"


def result_text(result: GoalResult) -> str:
    """Three significant digits, and more where they would contradict the verdict: 5.004 against 5."""
    if not isinstance(result.value, float) or isinstance(result.goal.limit, str):
        return str(result.value)
    shown = (significant(result.value, digits) for digits in range(3, 18))
    return next((text for text in shown if result.goal.keeps(float(text)) == result.met), repr(result.value))


def limit_text(goal: Goal) -> str:
    """`at most 30`, `at least 0.9`."""
    return f"{'at most' if goal.relation == '<=' else 'at least'} {str(goal).rpartition(goal.relation)[2].strip()}"
