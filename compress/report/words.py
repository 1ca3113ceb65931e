"""What a candidate costs in one sentence. "MACs" are multiply-accumulates, nothing else."""

from typing import TYPE_CHECKING

from compress.common.formatting import listed, percent
from compress.quantization.collapse import refusal
from compress.results.objectives import Objective
from compress.results.records import Latency, Measurement

if TYPE_CHECKING:
    from compress.report.facts import CandidateFacts  # whose facts are read with the words below


def ratio(latency: Latency) -> str:
    """`0.78x (0.77-0.79)`: candidate time over teacher time, and its 95% interval."""
    return f"{latency.ratio:.2f}x ({latency.ratio_ci_low:.2f}-{latency.ratio_ci_high:.2f})"


def speed(latency: Latency) -> str:
    """The ratio the other way round, in words, and only where the interval allows a verdict."""
    if latency.ratio_ci_low <= 1 <= latency.ratio_ci_high:
        return "not measurably faster or slower than the teacher"
    if latency.ratio < 1:
        return f"{1 / latency.ratio:.2f} times as fast"
    return f"slower: {latency.ratio:.2f} times the time"


def better(objective: Objective) -> str:
    """Which way an objective is meant."""
    return "less is better" if objective.smaller_is_better else "more is better"


def axis(objective: Objective) -> str:
    """The label with its unit, as the title of an axis."""
    label = objective.label[:1].upper() + objective.label[1:]
    return f"{label} [{objective.unit}]" if objective.unit else label


def cost(candidate: "CandidateFacts") -> str:
    """What a candidate costs against the teacher, without its name: time, maps, size."""
    if candidate.record.error is not None:
        return f"failed: {candidate.record.error}"
    measured = candidate.record.measurement
    if candidate.is_teacher:
        parts = [f"{measured.latency[0].total_ms:.0f} ms per frame over all scales"] if measured.latency else []
        return "; ".join(["the teacher, the reference of every ratio", *parts])
    refused = refusal(candidate.record.notes) or ""
    parts = [part for part in (refused, _time(measured), _difference(measured), _angles(measured)) if part]
    return "; ".join(parts) or "neither time nor difference was measured"


def _time(measured: Measurement) -> str:
    if not measured.latency:
        return ""
    latency = measured.latency[0]
    interval = f"({latency.ratio_ci_low:.2f}-{latency.ratio_ci_high:.2f})"
    return f"{latency.ratio:.2f}x the teacher's time {interval}, {speed(latency)}"


def _difference(measured: Measurement) -> str:
    fidelity = measured.fidelity
    if fidelity is None:
        return ""
    return f"joints differ by {percent(fidelity.joint_rel_l2)}, PAFs by {percent(fidelity.paf_rel_l2)}"


def _angles(measured: Measurement) -> str:
    facts = measured.kinematics
    if facts is None or facts.median_deg is None or facts.p95_deg is None:
        return ""
    parts = (f"median {facts.median_deg:.1f} deg", f"P95 {facts.p95_deg:.1f} deg", facts.tier)
    return f"joint angles: {', '.join(part for part in parts if part)}"


def doubts(candidate: "CandidateFacts") -> str:
    """What timing noise leaves open about a candidate, as a sentence; empty if nothing."""
    if candidate.only_by_noise:
        return f"On the front only by a time difference within noise of {listed(candidate.only_by_noise)}."
    if candidate.near:
        return f"Within timing noise of {listed(candidate.near)}."
    return ""
