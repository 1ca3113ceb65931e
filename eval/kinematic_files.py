"""Kinematics as files that others read: OpenSim .mot, .trc in pixels, one long CSV, and the content of kinematics.json.

Layouts are those that OpenSim, Pose2Sim and Sports2D write and read; OpenSim 4.6 (both of its readers) and poseaudit
0.7.2 read the files in the tests. Every file is written whole or not at all.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eval.angles import Array
from eval.kinematics import Kinematics, column_meaning
from eval.measure_names import LIMB_OF, joint_of
from eval.table_parts import part_path, part_words, row_parts, whole_parts
from eval.views import VIEW_NAMES
from teachers.common.files import replacing, write_text
from teachers.skeleton import Skeleton

CSV_COLUMNS = (
    "person",
    "frame",
    "time_s",
    "measure",
    "value_deg",
    "velocity_deg_s",
    "confidence",
    "filled",
    "view",
    "sides",
)


def write_angles_mot(
    path: Path, kinematics: Kinematics, series: Literal["filtered", "raw"] = "filtered"
) -> tuple[Path, ...]:
    """Joint and segment angles in degrees, a row for each frame, in as many parts as gaps make; the paths written."""
    if series == "filtered":
        values, what = kinematics.filtered, "smoothed (see kinematics.json)"
    else:
        values = _bridged(kinematics)
        what = "raw: not smoothed; short gaps are bridged by straight lines (`filled` in the .csv)"
    comments = (f"Angles in degrees, {what}.", *column_meaning(kinematics.views, kinematics.times))
    return _write_mot(path, kinematics, values, comments)


def write_velocities_mot(path: Path, kinematics: Kinematics) -> tuple[Path, ...]:
    """Angular velocities in deg/s under the names of their angles, as `write_angles_mot`."""
    comments = (
        "Angular velocities in deg/s: central difference of the smoothed angles on the true time stamps.",
        *column_meaning(kinematics.views, kinematics.times),
    )
    return _write_mot(path, kinematics, kinematics.velocity, comments)


def _bridged(kinematics: Kinematics) -> Array:
    """The raw angles, where a gap was filled on a straight line between the frames beside it."""
    bridged = kinematics.raw.copy()
    for m in range(bridged.shape[1]):
        seen = np.isfinite(bridged[:, m])
        gaps = kinematics.filled[:, m] & ~seen
        if gaps.any() and seen.any():
            bridged[gaps, m] = np.interp(kinematics.times[gaps], kinematics.times[seen], bridged[seen, m])
    return bridged


def _write_mot(path: Path, kinematics: Kinematics, values: Array, comments: Sequence[str]) -> tuple[Path, ...]:
    found = whole_parts(np.isfinite(values))
    left_out = ", ".join(kinematics.names[m] for m in found.left_out)
    names = [kinematics.names[m].replace(" ", "_") for m in found.columns]  # a label with a space is two, to OpenSim
    written = []
    for number, part in enumerate(found.rows):
        header = [
            "Coordinates",
            "version=1",
            f"nRows={part.stop - part.start}",
            f"nColumns={len(names) + 1}",  # OpenSim counts the time column
            "inDegrees=yes",
            "",
            *comments,
            "Two-dimensional, in the image plane; coordinate names are not those of an OpenSim model.",
            *part_words(number, found.rows),
            *([f"Left out, seen too rarely: {left_out}; the .csv holds what is known."] if left_out else []),
            "",
            "endheader",
            "\t".join(("time", *names)),
        ]
        rows = (
            "\t".join((f"{time:.6f}", *(f"{value:.8f}" for value in row)))
            for time, row in zip(kinematics.times[part], values[part][:, found.columns], strict=True)
        )
        written.append(part_path(path, number))
        write_text(written[-1], "\n".join([*header, *rows]) + "\n")
    return tuple(written)


def write_px_trc(path: Path, kinematics: Kinematics, frames: Sequence[int], skeleton: Skeleton) -> tuple[Path, ...]:
    """Smoothed keypoints in pixels of the video frame: x right, y down, z 0; NaN where a point is unknown.

    Both of OpenSim's readers take NaN for a marker. Frames without any point end a part. Cells are never empty:
    readers that split at white space would give a missing point its neighbour's coordinates.

    Args:
        path: of the first part.
        kinematics: of one person.
        frames: the video's frame index of each row.
        skeleton: names the markers.

    Returns:
        The paths written.

    """
    parts = row_parts(np.asarray(np.isfinite(kinematics.keypoints[..., 0]).any(axis=1)))
    written = []
    for number, part in enumerate(parts):
        written.append(part_path(path, number))
        write_text(written[-1], "\n".join(_trc_lines(written[-1].name, kinematics, frames, part, skeleton)) + "\n")
    return tuple(written)


def _trc_lines(
    name: str, kinematics: Kinematics, frames: Sequence[int], part: slice, skeleton: Skeleton
) -> Iterator[str]:
    rate, names = f"{kinematics.fps or 0:.6g}", skeleton.keypoints
    count, first = str(part.stop - part.start), str(frames[part.start])
    yield f"PathFileType\t4\t(X/Y/Z)\t{name}"
    yield "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"
    yield "\t".join([rate, rate, count, str(len(names)), "px", rate, first, count])
    yield "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t"
    yield "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1))
    for i in range(part.start, part.stop):
        cells = [str(frames[i]), f"{kinematics.times[i]:.6f}"]
        for x, y, _ in kinematics.keypoints[i]:
            cells += [_number(x, "NaN", 4), _number(y, "NaN", 4), "0" if np.isfinite(x) else "NaN"]
        yield "\t".join(cells)


def write_long_csv(path: Path, people: Iterable[tuple[int, Sequence[int], Kinematics]]) -> None:
    """One row per person, frame and measure; an unknown number is empty.

    Args:
        people: number of the person, the video's frame index of each row, and the person's kinematics.

    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(CSV_COLUMNS)
        for person, frames, found in people:
            table.writerows(_long_rows(person, frames, found))


def _long_rows(person: int, frames: Sequence[int], found: Kinematics) -> Iterator[tuple[object, ...]]:
    for i, (frame, time) in enumerate(zip(frames, found.times, strict=True)):
        view = VIEW_NAMES[int(found.views.per_frame[i])]
        for m, name in enumerate(found.names):
            value, speed = _number(found.filtered[i, m], "", 6), _number(found.velocity[i, m], "", 6)
            confidence = _number(found.confidence[i, m], "", 4)
            yield (
                person,
                frame,
                f"{time:.6f}",
                name,
                value,
                speed,
                confidence,
                int(found.filled[i, m]),
                view,
                _sides(found, i, m),
            )


def _sides(found: Kinematics, i: int, m: int) -> str:
    """What was done to the labels of left and right: `doubled` (one was dropped), `exchanged`, or nothing."""
    if found.doubled[i, m]:
        return "doubled"
    limb = None if found.sides is None else found.sides.limbs.get(LIMB_OF.get(joint_of(found.names[m]), ""))
    return "exchanged" if limb is not None and limb.order[i] > 0 else ""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """JSON without NaN: ValueError where one slipped in."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def person_facts(person: int, frames: Sequence[int], found: Kinematics) -> dict[str, Any]:
    """What kinematics.json says about one person: when and from where seen, what was repaired, filled, is absent."""
    return {
        "person": person,
        "frames": len(frames),
        "first_frame": int(frames[0]),
        "last_frame": int(frames[-1]),
        "start_s": float(found.times[0]),
        "end_s": float(found.times[-1]),
        "fps": found.fps,
        "views": _view_facts(frames, found),
        "sides": None if found.sides is None else found.sides.counts(),
        "columns_mean": list(column_meaning(found.views, found.times)),
        "measures": {name: _measure_facts(found, m) for m, name in enumerate(found.names)},
        "absent": dict(found.absent),
        "notes": list(found.notes),
    }


def kinematics_facts(
    people: Iterable[tuple[int, Sequence[int], Kinematics]], conditions: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of kinematics.json: `conditions` (model, video, versions, rates) and every person with settings."""
    persons, settings = [], None
    for person, frames, found in people:
        persons.append(person_facts(person, frames, found))
        settings = {**asdict(found.settings), "low_pass": low_pass_facts(found)}
    units = {"angle": "deg", "velocity": "deg/s", "time": "s", "keypoints": "px, x right, y down"}
    return {"format": 1, **conditions, "units": units, "settings": settings, "people": persons}


def low_pass_facts(found: Kinematics) -> dict[str, Any] | None:
    """The filter with its name, because two filters may have settings of the same kind."""
    low_pass = found.settings.low_pass
    return None if low_pass is None else {"filter": type(low_pass).__name__, **asdict(low_pass)}


def _view_facts(frames: Sequence[int], found: Kinematics) -> dict[str, Any]:
    """Which view holds when, and what it was decided by."""
    stretches = [
        {
            "view": part.view,
            "first_frame": int(frames[part.start]),
            "last_frame": int(frames[part.stop - 1]),
            "start_s": float(found.times[part.start]),
            "end_s": float(found.times[part.stop - 1]),
        }
        for part in found.views.stretches
    ]
    told = {"evidence": found.views.evidence, "share": found.views.share, "shoulder_width": found.views.width}
    return {"main": found.views.main, "stretches": stretches, **told, "note": found.views.note}


def _measure_facts(found: Kinematics, m: int) -> dict[str, Any]:
    seen, known = np.isfinite(found.raw[:, m]), np.isfinite(found.filtered[:, m])
    angles, speeds = found.filtered[known, m], found.velocity[np.isfinite(found.velocity[:, m]), m]
    return {
        "seen_share": float(seen.mean()),
        "filled_share": float(found.filled[:, m].mean()),
        "empty_share": float(1 - known.mean()),
        "min_deg": float(angles.min()) if len(angles) else None,
        "max_deg": float(angles.max()) if len(angles) else None,
        "max_speed_deg_s": float(np.abs(speeds).max()) if len(speeds) else None,
    }


def _number(value: float, missing: str, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else missing
