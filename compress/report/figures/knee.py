"""The knee's angle over time, a model's beside the reference's, as PNG."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compress.report.figures.canvas import FRONT, RULE, TEACHER, new_figure, png_bytes, short
from teachers.common.errors import UserError

_KNEES = ("right knee", "left knee")


@dataclass(frozen=True)
class KneeCurve:
    """One person's knee as `compress kinematics` wrote it."""

    joint: str
    times: tuple[float, ...]
    """Seconds."""
    degrees: tuple[float, ...]
    """NaN where it is unknown."""

    @property
    def known(self) -> int:
        """Frames with an angle."""
        return sum(math.isfinite(value) for value in self.degrees)


def knee_curve(folder: Path, joint: str | None = None) -> KneeCurve:
    """The knee of the first person in a folder that `compress kinematics` left; UserError where there is none.

    joint: which one; left out, that of which more is known.
    """
    files = sorted(folder.glob("*_angles.csv"))
    if len(files) != 1:
        raise UserError(f"{folder}: holds {len(files)} *_angles.csv; a folder that `compress kinematics` left has one")
    with files[0].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = min((int(row["person"]) for row in rows), default=0)
    found = [_of(rows, first, name) for name in ((joint,) if joint else _KNEES)]
    best = max(found, key=lambda curve: curve.known)
    if not best.known:
        raise UserError(f"{files[0]}: holds no angle of a knee")
    return best


def _of(rows: Sequence[dict[str, str]], person: int, joint: str) -> KneeCurve:
    chosen = [row for row in rows if int(row["person"]) == person and row["measure"] == joint]
    values = tuple(float(row["value_deg"]) if row["value_deg"] else math.nan for row in chosen)
    return KneeCurve(joint, tuple(float(row["time_s"]) for row in chosen), values)


def knee_png(name: str, ours: KneeCurve, reference: KneeCurve) -> bytes:
    """Both over the same seconds."""
    figure, (ax,) = new_figure(7.2, 2.9, 1, 1)
    ax.plot(reference.times, reference.degrees, color=TEACHER, linewidth=2.2, alpha=0.7, label="reference")
    ax.plot(ours.times, ours.degrees, color=FRONT, linewidth=1.3, label=short(name))
    ax.set_xlabel("Time [s]", fontsize=9)
    ax.set_ylabel(f"{ours.joint.capitalize()} flexion [deg]", fontsize=9)
    ax.grid(color=RULE, linewidth=0.6)
    ax.legend(frameon=False, fontsize=8.5, ncols=2)
    return png_bytes(figure)
