"""Joint angles in words: on what they were compared, why a tier is not a better one, whether L2 ranks like degrees."""

import re
from collections.abc import Sequence

from compress.common.formatting import counted, listed, significant
from compress.report.kinematic_ranks import RankAgreement
from compress.report.kinematics import AngleFacts, ClipFacts, KinematicsView

DISTURBED = "shifted by 3 px, enlarged by 2%, shrunk by 2%, recompressed, mirrored"
"""eval.perturbations, in words; a test holds the two together."""
LOSS_WORDS = {"joint_rel_l2": "joints", "paf_rel_l2": "PAFs"}
ANGLE_WORDS = {
    "angle_median_deg": "median error",
    "angle_p95_deg": "P95 error",
    "angular_velocity_rmse_deg_s": "velocity RMSE",
}
_PAIRS_NAMED = 3
_FEW = 10
_BUTTERWORTH = re.compile(r"Butterworth\(cutoff_hz=([\d.]+), order=(\d+)\)")
_SMOOTHER = re.compile(r"RauchTungStriebel\(cutoff_hz=([\d.]+)")
_LIMIT = re.compile(r"(?P<tier>.+): (?P<place>\w+ \w+) (?P<field>\w+) (?P<value>\S+) [<>] (?P<limit>\S+)")
"""As eval.kinematic_tiers words what kept a candidate from a tier."""
_FIELDS = {
    "median_abs_error": ("median", " deg"),
    "p95_abs_error": ("P95", " deg"),
    "bias": ("bias", " deg"),
    "error_over_noise": ("median over the floor", ""),
    "gross_rate": ("errors of 20 deg and more", "%"),
    "detection_rate": ("frames found", "%"),
}


def clip_words(facts: ClipFacts) -> str:
    """`75 frames of walk.mp4 from frame 20 on, 30 frames per second, 2 people, ...`, without a full stop."""
    start = "" if facts.first_frame is None else f" from frame {facts.first_frame} on"
    rate = "" if facts.fps is None else f", {facts.fps:g} frames per second"
    scale = "" if facts.scale is None else f", at scale {facts.scale:g}"
    people = "1 person" if facts.tracks == 1 else f"{facts.tracks} people"
    clip = f"{counted(facts.frames, 'frame')} of {facts.clip}{start}{rate}{scale}"
    return f"{clip}, {people}; {filter_words(facts.low_pass)}"


def filter_words(low_pass: str | None) -> str:
    """The low pass as a reader of velocities needs it: kind, order, cut-off."""
    if low_pass is None:
        return "the filter is not recorded"
    if smoother := _SMOOTHER.match(low_pass):
        return f"filtered means a confidence-weighted Rauch-Tung-Striebel smoother, cut-off {float(smoother[1]):g} Hz"
    found = _BUTTERWORTH.fullmatch(low_pass)
    if found is None:
        return f"filtered means {low_pass}"
    return f"filtered means a zero-lag Butterworth low pass, order {found[2]}, cut-off {float(found[1]):g} Hz"


def noise_words(facts: ClipFacts) -> str:
    """What the noise floor is."""
    middle = "" if facts.disturbances is None else f"; median over {facts.disturbances}"
    return (
        f"The noise floor is the teacher against itself on disturbed copies of the same clip "
        f"({DISTURBED}{middle}). A median over the floor below 1 means: closer to the teacher than the "
        f"teacher is to itself."
    )


def tier_words(row: AngleFacts) -> str:
    """The tier, and for each limit of the next better one that was missed, where it was missed by most."""
    if row.tier is None:
        return f"not judged: {'; '.join(row.tier_reasons) or 'the record does not say why'}."
    if not row.tier_reasons:
        return f"{row.tier}."
    found = [_LIMIT.fullmatch(reason) for reason in row.tier_reasons]
    worst: dict[str, re.Match[str]] = {}
    for match in found:
        if match is not None and match["field"] in _FIELDS:
            field = match["field"]
            worst[field] = max(worst.get(field, match), match, key=_excess)
    others = [
        reason
        for reason, match in zip(row.tier_reasons, found, strict=True)
        if match is None or match["field"] not in _FIELDS
    ]
    missed = "; ".join([*(_missed(worst[field]) for field in _FIELDS if field in worst), *others])
    next_better = row.tier_reasons[0].partition(":")[0]
    return f"{row.tier}. Not {next_better}, because of: {missed}."


def _excess(match: re.Match[str]) -> float:
    value, limit = abs(float(match["value"])), float(match["limit"])
    return limit - value if match["field"] == "detection_rate" else value - limit


def _missed(match: re.Match[str]) -> str:
    label, unit = _FIELDS[match["field"]]
    joint, series = match["place"].split(" ")
    value, limit = float(match["value"]), float(match["limit"])
    if unit == "%":
        value, limit = 100 * value, 100 * limit
    return f"{label} {significant(value)}{unit} ({joint}, {series}; limit {limit:g}{unit})"


def agreement_words(view: KinematicsView) -> str:
    """The verdict on the first pair of columns that has a rho, the worst of the others, and what is left open."""
    known = [ranks for ranks in view.ranks if ranks.rho is not None]
    if not known:
        reasons = sorted({ranks.reason or "" for ranks in view.ranks})
        return f"Whether the ranking by L2 holds in degrees cannot be said: {listed(reasons)}."
    told, least = known[0], min(known, key=_rho)
    n = len(told.points)
    figure = f"Spearman's rho = {_rho(told):.2f} over {counted(n, 'candidate')}"
    if told.swapped:
        pairs = f"{len(told.swapped)} of {counted(n * (n - 1) // 2, 'pair')}"
        examples = listed([f"{near} is nearer than {far}" for near, far in told.swapped[:_PAIRS_NAMED]])
        text = f"The ranking by {_sides(told, 'disagrees with that by')} on {pairs}: {figure}."
        text += f" In L2 {examples}; in degrees it is the other way."
    else:
        but = "" if _rho(told) > 1 - 1e-9 else ", but for ties"
        text = f"The ranking by {_sides(told, 'agrees with that by')}{but}: {figure}."
    if _rho(least) < _rho(told):
        text += f" The least agreement is that of {_sides(least, 'with')}: rho = {_rho(least):.2f}."
    return " ".join([text, *_cautions(told)])


def _rho(ranks: RankAgreement) -> float:
    return 0.0 if ranks.rho is None else ranks.rho


def _sides(ranks: RankAgreement, between: str) -> str:
    return f"L2 of the {LOSS_WORDS[ranks.loss]} {between} the {ANGLE_WORDS[ranks.angles]}"


def _cautions(told: RankAgreement) -> list[str]:
    n, found = len(told.points), []
    if n < _FEW:
        # Spearman's rho is 1 - 6 sum(d^2) / (n (n^2 - 1)); two exchanged neighbours have sum(d^2) = 2.
        step = 12 / (n * (n * n - 1))
        found.append(f"With {n} candidates, exchanging two neighbours alone moves rho by {step:.2g}.")
    if told.one_family:
        found.append(
            "They all come from the same steps at other settings, where nearly every measure goes the same way: "
            "agreement here does not show that L2 foretells degrees between different methods."
        )
    return found


def pairs_words(pairs: Sequence[tuple[str, str]]) -> str:
    """`a than b; c than d; and 2 more`."""
    named = [" than ".join(pair) for pair in pairs[:_PAIRS_NAMED]]
    more = len(pairs) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])]) or "none"
