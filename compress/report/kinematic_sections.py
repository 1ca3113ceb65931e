"""The section on joint angles: what was compared, the table, why no better tier, each joint, and L2 against degrees."""

from compress.common.document import Bullets, Paragraph
from compress.common.formatting import counted, listed
from compress.report.document import Block, Picture
from compress.report.facts import RunView
from compress.report.kinematic_tables import by_joint, headline, in_full, rank_table
from compress.report.kinematic_words import (
    ANGLE_WORDS,
    LOSS_WORDS,
    agreement_words,
    clip_words,
    noise_words,
    tier_words,
)
from compress.report.kinematics import JOINTS, SERIES, KinematicsView


def joints_name(index: int) -> str:
    """File name, without suffix, of a run's plot of each joint."""
    return "joint_angles" if index == 0 else f"joint_angles-{index + 1}"


def ranks_name(index: int) -> str:
    """File name, without suffix, of a run's plot of L2 against degrees."""
    return "l2_against_degrees" if index == 0 else f"l2_against_degrees-{index + 1}"


def joint_angles(run: RunView, index: int) -> list[Block]:
    """All blocks of the section; if nothing was measured, why."""
    view = run.kinematics
    if view is None:
        return [Paragraph(f"Joint angles were not measured{_why(run)}.")]
    blocks: list[Block] = [Paragraph(text) for text in _compared(view)]
    blocks.append(headline(run, view))
    if view.rows:
        blocks.append(Bullets(tuple((row.names[0], tier_words(row)) for row in view.rows)))
    if view.panels():
        blocks += [_joints_picture(view, joints_name(index)), by_joint(view)]
    blocks += [Paragraph(text) for text in _unmeasured(view)]
    blocks += in_full(view)
    if len(view.rows) > 1:
        blocks.append(Paragraph(agreement_words(view)))
        if view.draws_ranks:
            blocks.append(_ranks_picture(view, ranks_name(index)))
        blocks.append(rank_table(view.ranks))
    return blocks


def _why(run: RunView) -> str:
    reasons = {why for c in run.candidates for why, columns in c.reasons.items() if "angle_median_deg" in columns}
    return f": {listed(sorted(reasons))}" if reasons else ""


def _compared(view: KinematicsView) -> list[str]:
    told = [clip_words(clip) for clip, _ in view.clips]
    if len(told) == 1:
        first = f"The candidate's joint angles minus the teacher's on the same frames: {told[0]}."
    else:
        each = "; ".join(f"{words} ({', '.join(names)})" for words, (_, names) in zip(told, view.clips, strict=True))
        first = f"Not the same clip and settings for all candidates, so compare with care: {each}."
    first += " This is fidelity to the teacher and says nothing about the truth: its own error comes on top."
    second = noise_words(view.clips[0][0])
    second += (
        " Medians, P95 and RMSE are of the size of the error over the frames in which both have the angle; what only "
        "the candidate lost lowers the share found. OKS compares the keypoints of the people found again: 1 is the "
        "same place."
    )
    return [first, second]


def _joints_picture(view: KinematicsView, name: str) -> Picture:
    panels = view.panels()
    joints = listed([joint for joint, _ in panels])
    alt = f"Error of the filtered {joints} angles of {counted(len(view.rows), 'candidate')} beside the noise floor."
    caption = (
        "Filtered angles: the dot is the median error, the whisker reaches to P95, both stand beside it. The dashed "
        "line is the median of the noise floor, the shade reaches to its P95."
    )
    return Picture(name, alt, caption, narrow=f"{name}-narrow")


def _ranks_picture(view: KinematicsView, name: str) -> Picture:
    ranks = view.ranks[0]
    sides = f"relative L2 of the {LOSS_WORDS[ranks.loss]} against the {ANGLE_WORDS[ranks.angles]} of the worst joint"
    alt = f"Plot of {sides}, a dot for each of {counted(len(ranks.points), 'candidate')}."
    return Picture(
        name,
        alt,
        "One dot for each candidate. A proxy that can be trusted orders both axes alike.",
        narrow=f"{name}-narrow",
    )


def _unmeasured(view: KinematicsView) -> list[str]:
    """Joints without a number for anybody, and what the skeleton does not allow."""
    texts = []
    for joint in JOINTS:
        found = [own.errors(series) for row in view.rows if (own := row.joint(joint)) is not None for series in SERIES]
        reasons = sorted({errors.reason for errors in found if errors.reason})
        if found and all(errors.median is None for errors in found):
            texts.append(f"Nothing was measured at the {joint}: {listed(reasons)}.")
    absent = dict(pair for clip, _ in view.clips for pair in clip.absent)
    if absent:
        texts.append(f"Not computable: {'; '.join(f'{name} ({why})' for name, why in absent.items())}.")
    return texts
