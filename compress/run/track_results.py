"""What a run tells its trackers once its records are there: every candidate, its curves, the models and the report."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from compress.common.run_folder import CANDIDATES
from compress.common.values import Value
from compress.core.built import ARTEFACT, LICENCE
from compress.core.notes import TrainingNote
from compress.measure.kinematics import Kinematics
from compress.results.records import Record
from compress.tracking.base import Files
from compress.tracking.session import Tracking, series
from teachers.checkpoint import SPEC, WEIGHTS

Row = Mapping[str, Value]
"""One of candidates.csv."""
_DEGREES = ("median_abs_error", "p95_abs_error", "rmse")


def track_results(
    tracking: Tracking,
    out: Path,
    records: Sequence[Record],
    rows: Sequence[Mapping[str, Value]],
    report: Sequence[Path],
) -> None:
    """rows: those of candidates.csv. report: the files of the report, below `out`."""
    by_name = {record.name: record for record in records}
    for row in rows:
        record = by_name[str(row["name"])]
        tracking.candidate(record.name, {**row} | joint_degrees(record))
        for name, step, values in curve_points(record):
            tracking.point(name, step, values)
        if record.id is not None and record.error is None:
            tracking.files(_model(out / CANDIDATES / record.name, record, row["on_front"] == "true"))
    tracking.files(Files("report", "report", _sha256(report), out, tuple(report)))


def joint_degrees(record: Record) -> dict[str, Value]:
    """Each joint's errors in degrees, named as goals name them: `kinematics.right knee.raw.rmse`."""
    found = record.facts(Kinematics)
    joints = {} if found is None else found.joints
    return {
        f"kinematics.{joint}.{form}.{field}": facts[form][field]
        for joint, facts in joints.items()
        for form in ("raw", "filtered")
        for field in _DEGREES
    }


def curve_points(record: Record) -> Iterator[tuple[str, int, Mapping[str, float]]]:
    """All that its trainings noted: what a tracker missed while they went on, it is told now."""
    for number, note in enumerate(note for note in record.notes if isinstance(note, TrainingNote)):
        place = str(number) if note.place is None else note.place
        for kind, points in (("training", note.losses), ("validation", note.validations)):
            for point in points:
                values = point.model_dump(exclude={"step"}, exclude_none=True)
                yield series(kind, record.name, place), point.step, values


def _model(folder: Path, record: Record, on_front: bool) -> Files:
    paths = tuple(folder / name for name in (ARTEFACT, SPEC, WEIGHTS, LICENCE))
    facts: dict[str, Value] = {"licence": record.licence.name, "source": record.licence.source}
    # The teacher is on most fronts, and is in the run folder already.
    wanted = on_front and record.role != "teacher"
    return Files("model", record.name, str(record.id), folder, paths, facts, wanted)


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
