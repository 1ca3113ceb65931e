"""Joint angles: what was compared, tiers, each joint beside the teacher's noise, and every number folded away."""

import re
from collections.abc import Mapping

from compress.common.document import Bullets, Details, Paragraph
from compress.common.formatting import counted, listed, significant
from compress.report.document import Block, Picture
from compress.report.facts import RunView
from compress.report.figures.joint_angles import joints_png
from compress.report.sections.joint_angle_tables import by_joint, from_front, headline, in_full, labels
from compress.results.joint_angle_facts import JOINTS, SERIES, AngleFacts, ClipFacts, KinematicsView
from eval.inference import Inference, in_words

TIERS = "Tiers, and what kept each candidate from a better one"
FRONTAL = (
    "From the front and the back, hip and shoulder are ab- and adduction; knee and elbow are the bend in the image "
    "plane. These numbers decide neither tier nor goals."
)
LABELS = (
    "Exchanged: the labels of both limbs had changed places and were taken back. Doubled: both labels sat on one limb, "
    "and the other limb is unseen. Lost: a keypoint is not there; of a candidate, one that the teacher sees."
)
PERTURBED = "shifted by 3 px, enlarged by 2%, shrunk by 2%, recompressed, mirrored"
"""eval.perturbations, in words; a test holds the two together."""
_BUTTERWORTH = re.compile(r"Butterworth\(cutoff_hz=([\d.]+), order=(\d+)\)")
_SMOOTHER = re.compile(r"RauchTungStriebel\(cutoff_hz=([\d.]+)")
_LIMIT = re.compile(r"(?P<tier>.+): (?P<place>\w+ \w+) (?P<field>\w+) (?P<value>\S+) [<>] (?P<limit>\S+)")
"""As eval.kinematic_tiers words what kept a candidate from a tier."""
_FIELDS: Mapping[str, tuple[str, str]] = {
    "median_abs_error": ("median", " deg"),
    "p95_abs_error": ("P95", " deg"),
    "bias": ("bias", " deg"),
    "error_over_noise": ("median over the floor", ""),
    "gross_rate": ("errors of 20 deg and more", "%"),
    "detection_rate": ("frames found", "%"),
}


def joint_angles(run: RunView, picture: str) -> list[Block]:
    """All blocks of the section; if nothing was measured, why. The figure is called `picture` on disk."""
    view = run.kinematics
    if view is None:
        return [Paragraph(f"Joint angles were not measured{_why(run)}.")]
    first, second = _compared(view)
    blocks: list[Block] = [Paragraph(first), headline(run, view), *(Paragraph(text) for text in _unmeasured(view))]
    if view.panels():
        blocks.append(_joints_picture(view, picture))
    return [*blocks, *_folded(view, second), *in_full(view)]


def _folded(view: KinematicsView, how: str) -> list[Block]:
    """What the table and the picture rest on."""
    absent = dict(pair for clip, _ in view.clips for pair in clip.absent)
    told = [how]
    if absent:
        told.append(f"Not computable: {'; '.join(f'{name} ({why})' for name, why in absent.items())}.")
    blocks: list[Block] = []
    if view.rows:
        blocks.append(Details(TIERS, (Bullets(tuple((row.names[0], tier_text(row)) for row in view.rows)),)))
    blocks.append(Details("What the numbers mean", tuple(Paragraph(text) for text in told)))
    if view.panels():
        blocks.append(Details("Each joint, seen from the side", (by_joint(view),)))
    if (front := from_front(view)) is not None:
        blocks.append(Details("Seen from the front or the back", (Paragraph(FRONTAL), front)))
    if (told_labels := labels(view)) is not None:
        blocks.append(Details("Labels of left and right", (Paragraph(LABELS), told_labels)))
    return blocks


def _why(run: RunView) -> str:
    reasons = {why for c in run.candidates for why, columns in c.reasons.items() if "angle_median_deg" in columns}
    return f": {listed(sorted(reasons))}" if reasons else ""


def _compared(view: KinematicsView) -> list[str]:
    told = [clip_text(clip) for clip, _ in view.clips]
    if len(told) == 1:
        first = f"The candidate's joint angles minus the teacher's on the same frames: {told[0]}."
    else:
        each = "; ".join(f"{words} ({', '.join(names)})" for words, (_, names) in zip(told, view.clips, strict=True))
        first = f"Not the same clip and settings for all candidates, so compare with care: {each}."
    first += f"{_views_text(view)} The teacher's own error against the true angle is not included."
    second = (
        f"{noise_text(view.clips[0][0])} Median, P95 and RMSE are over the frames in which both networks have the "
        "angle. OKS compares the keypoints of matched people; 1 is the same place."
    )
    return [first, second]


def _views_text(view: KinematicsView) -> str:
    """How many frames decide, as far as the records say from where people were seen."""
    seen = next((row.seen for row in view.rows if row.seen.views), None)
    if seen is None:
        return ""
    rest = "" if seen.side_frames == seen.frames else "; the others are seen from the front or the back"
    return f" Only frames seen from the side count: {seen.side_frames} of {seen.frames}, summed over people{rest}."


def clip_text(facts: ClipFacts) -> str:
    """`75 frames of walk.mp4 from frame 20 on, 30 frames per second, 2 people, ...`, without a full stop."""
    start = "" if facts.first_frame is None else f" from frame {facts.first_frame} on"
    rate = "" if facts.fps is None else f", {facts.fps:g} frames per second"
    scale = f", reference at {in_words(Inference(scales=facts.scales))}" if facts.scales else ""
    people = "1 person" if facts.tracks == 1 else f"{facts.tracks} people"
    clip = f"{counted(facts.frames, 'frame')} of {facts.clip}{start}{rate}{scale}"
    return f"{clip}, {people}; {filter_text(facts.low_pass)}"


def filter_text(low_pass: str | None) -> str:
    """The low pass as a reader of velocities needs it: kind, order, cut-off."""
    if low_pass is None:
        return "the filter is not recorded"
    if smoother := _SMOOTHER.match(low_pass):
        return f"filtered means a confidence-weighted Rauch-Tung-Striebel smoother, cut-off {float(smoother[1]):g} Hz"
    found = _BUTTERWORTH.fullmatch(low_pass)
    if found is None:
        return f"filtered means {low_pass}"
    return f"filtered means a zero-lag Butterworth low pass, order {found[2]}, cut-off {float(found[1]):g} Hz"


def noise_text(facts: ClipFacts) -> str:
    """What the noise floor is."""
    middle = "" if facts.perturbations is None else f", median over {facts.perturbations}"
    return (
        f"The noise floor is the change of the teacher's own angles when the clip is perturbed ({PERTURBED}{middle}). "
        "A median over the floor below 1 is within that noise."
    )


def tier_text(row: AngleFacts) -> str:
    """The tier, and for each limit of the next better one that was missed, where it was missed by most."""
    if row.tier is None:
        return f"not judged: {'; '.join(row.tier_reasons) or 'the record gives no reason'}."
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


def _joints_picture(view: KinematicsView, name: str) -> Picture:
    panels = view.panels()
    joints = listed([joint for joint, _ in panels])
    alt = f"Error of the filtered {joints} angles of {counted(len(view.rows), 'candidate')} beside the noise floor."
    caption = (
        "Filtered angles. Dot: median error. Whisker: P95. Dashed line: the teacher's own noise, median; shaded up to "
        "its P95."
    )
    return Picture(name, alt, caption, lambda narrow: joints_png(panels, narrow), has_narrow=True)


def _unmeasured(view: KinematicsView) -> list[str]:
    """Joints without a single number."""
    texts = []
    for joint in JOINTS:
        found = [own.errors(series) for row in view.rows if (own := row.joint(joint)) is not None for series in SERIES]
        reasons = sorted({errors.reason for errors in found if errors.reason})
        if found and all(errors.median is None for errors in found):
            texts.append(f"Nothing was measured at the {joint}: {listed(reasons)}.")
    return texts
