"""The tables of joint angles. The noise floor stands in the first row, so that every number is read beside it."""

from collections.abc import Sequence

from compress.common.document import Details, Row, RowKind, Table
from compress.common.formatting import NONE, degrees, percent
from compress.report.facts import RunView
from compress.report.sections.candidate_table import row_of
from compress.results.joint_angle_facts import (
    JOINTS,
    SERIES,
    AngleFacts,
    ErrorFacts,
    Headline,
    JointFacts,
    KinematicsView,
)

NO_FLOOR = "-"
"""Where a number of the candidates' has no counterpart in the floor."""


def headline(run: RunView, view: KinematicsView) -> Table:
    """Tier, worst joint, people; a row for each candidate, also for those without angles."""
    head = (
        "Candidate", "Tier", "Median [deg]", "P95 [deg]", "RMSE [deg]", "Median over floor",
        "Velocity, median / RMSE [deg/s]", "OKS", "People found",
    )  # fmt: skip
    rows = [
        Row((label, NO_FLOOR, *_headline(noise.headline), NO_FLOOR, NO_FLOOR), "teacher")
        for label, noise in _noises(view)
    ]
    for candidate in run.candidates:
        if candidate.is_teacher:
            continue
        row = view.row(candidate.record.name)
        if row is None:
            rows.append(row_of(candidate, (NONE,) * (len(head) - 1)))
            continue
        people = (_fixed(row.headline.oks, 3), percent(row.headline.people_recall))
        rows.append(row_of(candidate, (row.tier or "not judged", *_headline(row.headline), *people)))
    caption = "Seen from the side: angles against the teacher's, worst of knee, hip, shoulder, elbow, raw and filtered"
    return Table(caption, head, tuple(rows), key=1, words=(0, 1))


def _headline(facts: Headline) -> tuple[str, ...]:
    errors = (degrees(facts.median_deg), degrees(facts.p95_deg), degrees(facts.rmse_deg))
    velocity = _velocity(facts.velocity_median_deg_s, facts.velocity_rmse_deg_s)
    return *errors, _fixed(facts.error_over_noise, 2), velocity


def _velocity(median: float | None, rmse: float | None) -> str:
    return NONE if rmse is None else f"{_fixed(median, 0)} / {_fixed(rmse, 0)}"


def by_joint(view: KinematicsView) -> Table:
    """Median and P95 of each joint, the ones in the plot."""
    rows = [(label, facts.joints, is_noise) for label, facts, is_noise in _all_rows(view)]
    return _pairs("Seen from the side: median / P95 of the filtered angles' errors, in degrees", rows)


def from_front(view: KinematicsView) -> Table | None:
    """The same of the frames seen from the front or the back; None where there are none."""
    rows = [(label, facts.front, is_noise) for label, facts, is_noise in _all_rows(view)]
    if not any(joints for _, joints, _ in rows):
        return None
    return _pairs("Seen from the front or the back: median / P95 of the filtered angles' errors, in degrees", rows)


def _pairs(caption: str, named: Sequence[tuple[str, Sequence[JointFacts], bool]]) -> Table:
    head = ("Candidate", *(joint.capitalize() for joint in JOINTS))
    rows = []
    for label, joints, is_noise in named:
        found = {joint.joint: joint for joint in joints}
        rows.append(Row((label, *(_pair(found.get(joint)) for joint in JOINTS)), "teacher" if is_noise else "plain"))
    return Table(caption, head, tuple(rows))


def labels(view: KinematicsView) -> Table | None:
    """Frames whose labels of left and right were exchanged, doubled or lost; None for older records."""
    head = ("Network", "Limbs", "Seen from", "Frames", "Exchanged", "Doubled", "Lost")
    rows = []
    for at, row in enumerate(view.rows):
        for limb in row.seen.labels:
            if limb.network == "teacher" and at:
                continue  # the same clip, so the same for all
            name = "teacher" if limb.network == "teacher" else row.names[0]
            counts = (NONE if count is None else str(count) for count in (limb.exchanged, limb.doubled, limb.lost))
            plane = "the side" if limb.plane == "side" else "front or back"
            kind: RowKind = "teacher" if limb.network == "teacher" else "plain"
            rows.append(Row((name, limb.limb, plane, str(limb.frames), *counts), kind))
    if not rows:
        return None
    rows.sort(key=lambda row: row.kind != "teacher")
    return Table("Labels of left and right, in frames summed over people", head, tuple(rows), words=(0, 1, 2))


def _pair(joint: JointFacts | None) -> str:
    if joint is None or joint.filtered.median is None:
        return NONE
    return f"{degrees(joint.filtered.median)} / {degrees(joint.filtered.p95)}"


def in_full(view: KinematicsView) -> list[Details]:
    """Every joint that was measured: errors raw and filtered, then the movement."""
    return [
        Details(f"{joint.capitalize()}: every number, raw and filtered", (_errors(view, joint), _motion(view, joint)))
        for joint, _ in view.panels()
    ]


def _errors(view: KinematicsView, joint: str) -> Table:
    head = (
        "Candidate", "Angle", "Frames", "Found", "Median", "P95", "RMSE", "Bias", "Limits of agreement",
        "Gross", "Over floor",
    )  # fmt: skip
    rows = []
    for label, facts, is_noise in _all_rows(view):
        found = facts.joint(joint)
        for series in SERIES if found is not None else ():
            cells = _error_cells(found.errors(series), is_noise) if found is not None else ()
            rows.append(Row((label, series, *cells), "teacher" if is_noise else "plain"))
    return Table(
        f"{joint.capitalize()}, both sides: candidate minus teacher, in degrees; gross is 20 and more",
        head,
        tuple(rows),
    )


def _error_cells(facts: ErrorFacts, is_noise: bool) -> tuple[str, ...]:
    missing = NO_FLOOR if is_noise else NONE
    return (
        missing if facts.n is None else str(facts.n),
        percent(facts.detection_rate),
        degrees(facts.median),
        degrees(facts.p95),
        degrees(facts.rmse),
        _signed(facts.bias),
        missing if facts.loa is None else f"{_signed(facts.loa[0])} to {_signed(facts.loa[1])}",
        percent(facts.gross_rate),
        _fixed(facts.error_over_noise, 2),
    )


def _motion(view: KinematicsView, joint: str) -> Table:
    head = ("Candidate", "Range [deg]", "Velocity, median / RMSE [deg/s]", "Jitter ratio", "Left and right swapped")
    rows = []
    for label, facts, is_noise in _all_rows(view):
        found = facts.joint(joint)
        if found is not None:
            motion = found.motion
            velocity = _velocity(motion.velocity_median, motion.velocity_rmse)
            cells = (_signed(motion.rom_error), velocity, _fixed(motion.jitter_ratio, 2))
            rows.append(Row((label, *cells, percent(motion.lr_swap_rate)), "teacher" if is_noise else "plain"))
    change = "difference in range and velocity, filtered; jitter over the teacher's, raw"
    caption = f"{joint.capitalize()}, the movement: {change}"
    return Table(caption, head, tuple(rows))


def _noises(view: KinematicsView) -> list[tuple[str, AngleFacts]]:
    if len(view.noise) == 1:
        return [("noise floor", view.noise[0])]
    return [(f"noise floor of {', '.join(noise.names)}", noise) for noise in view.noise]


def _all_rows(view: KinematicsView) -> list[tuple[str, AngleFacts, bool]]:
    """The floor first, then the candidates."""
    return [(*each, True) for each in _noises(view)] + [(row.names[0], row, False) for row in view.rows]


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{'+' if value > 0 else ''}{degrees(value)}"


def _fixed(value: float | None, places: int) -> str:
    return NONE if value is None else f"{value:.{places}f}"
