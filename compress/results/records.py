"""Records: one JSON line per finished candidate, appended and flushed to disk the moment it is finished."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from teachers.common.files import append_line
from teachers.licence import Licence

Count = Annotated[int, Field(ge=0)]


class Facts(BaseModel):
    """A frozen record; NaN and infinity are refused, because a number that was not measured is None with a reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fidelity(Facts):
    """Teacher-relative L2, multi-scale averaged, mean over images (docs/measuring.md)."""

    images: Count
    heat_l2: float
    paf_l2: float
    heat_rel_l2: float
    joint_rel_l2: float
    paf_rel_l2: float
    intervals: dict[str, tuple[float, float]] = {}
    """Column -> 95% interval of its mean, from resampled images; empty for one image, and in older records."""


class ScaleLatency(Facts):
    """Network time of one artefact at one image scale, batch 1."""

    scale: float
    input_h: Count
    input_w: Count
    median_ms: float
    p90_ms: float
    ratio: float
    """Candidate time over teacher time, pair by pair, median; below 1 is faster. 1 for the teacher itself."""
    ratio_ci_low: float
    ratio_ci_high: float


class Latency(Facts):
    """Network time in one runtime at one thread count: per scale and summed over the scales."""

    runtime: str
    threads: Count
    rounds: Count
    disturbed: Count
    """Laps that other load or page faults had disturbed and that were run again."""
    kept_disturbed: Count
    """Laps that stayed disturbed when the repeats ran out: above zero, read the times with care."""
    total_ms: float
    """Median over the rounds of the sum over the scales."""
    ratio: float
    ratio_ci_low: float
    ratio_ci_high: float
    scales: tuple[ScaleLatency, ...]


class Memory(Facts):
    """Resident memory of a fresh process that loads the artefact and runs it at the largest scale."""

    runtime: str
    threads: Count
    input_h: Count
    input_w: Count
    peak_bytes: Count
    before_load_bytes: Count
    """The same process with interpreter and runtime imported, before the artefact is loaded."""


class Activations(Facts):
    """The largest sum of tensors that the artefact's graph needs at the same time, at the largest scale."""

    input_h: Count
    input_w: Count
    peak_bytes: Count


class Energy(Facts):
    """Of one image, summed over the scales; millijoules. An estimate, and what a counter said where there is one."""

    arithmetic_mj: float
    """Estimated."""
    memory_mj: float
    """Estimated: of bytes moved to and from memory."""
    source: str
    """Of the estimate's numbers."""
    measured_mj: float | None
    """All that the machine used meanwhile."""
    counter: str | None
    """Which one; None where none could be read."""
    why_not_measured: str

    @property
    def estimate_mj(self) -> float:
        """Arithmetic and memory."""
        return self.arithmetic_mj + self.memory_mj


class PackedStage(Facts):
    """The weights' bytes after one stage of deep compression."""

    stage: str
    bytes: Count


class Packed(Facts):
    """What `compress pack` makes of the candidate, stage by stage; the last is the whole file."""

    stages: Annotated[tuple[PackedStage, ...], Field(min_length=1)]

    @property
    def bytes(self) -> int:
        """Of the file."""
        return self.stages[-1].bytes


LabelFrames = dict[str, dict[str, dict[str, int | None]]]
"""teacher, candidate -> legs, arms -> frames, and those in which labels were exchanged, doubled, lost."""


class FrontView(Facts):
    """Joint angles of the frames in which people are seen from the front or the back; they decide nothing."""

    frames: Count
    """Summed over people."""
    joints: dict[str, dict[str, Any]]
    labels: LabelFrames


class Kinematics(Facts):
    """Keypoints and joint angles against the teacher's on consecutive frames of one video, single scale.

    The headline numbers, the tier and `joints` are of people seen from the side: the worst of knee, hip, shoulder and
    elbow, raw and filtered (docs/kinematics.md).
    """

    clip: str
    frames: Count
    tracks: Count
    fps: float | None
    oks: float | None
    """Mean object keypoint similarity of the people found again."""
    people_recall: float | None
    """Share of the teacher's people that were found again."""
    median_deg: float | None
    p95_deg: float | None
    rmse_deg: float | None
    error_over_noise: float | None
    """Median error over the teacher's own on disturbed copies of the clip: below 1 is inside its noise."""
    velocity_rmse_deg_s: float | None
    tier: str | None
    tier_reasons: tuple[str, ...]
    """What kept it from the next better tier."""
    joints: dict[str, dict[str, Any]]
    """Per joint: every number of the metric, raw and filtered, with the noise floor beside it."""
    conditions: dict[str, Any]
    views: dict[str, int] = {}
    """right, left (which way people face), front, back -> frames, summed over people."""
    labels: LabelFrames = {}
    front: FrontView | None = None
    """None where nobody is seen from the front or the back."""


class LabelledAp(Facts):
    """COCO's keypoint AP and AR on labelled images, 17 keypoints (neck dropped); None with a reason in `note`."""

    labels: str
    scales: tuple[float, ...]
    images: Count
    labelled_people: Count
    detections: Count
    ap: float | None
    """Mean over OKS thresholds 0.50, 0.55 to 0.95."""
    ap50: float | None
    ap75: float | None
    ap_m: float | None
    ap_l: float | None
    ar: float | None
    note: str


class Measurement(Facts):
    """What was measured on a candidate's artefact; what was not is None, and `missing` says why."""

    params: Count | None = None
    macs: Count | None = None
    macs_input_hw: tuple[int, int] | None = None
    size_bytes: Count | None = None
    fidelity: Fidelity | None = None
    latency: tuple[Latency, ...] = ()
    """The first is the one that counts as an objective."""
    memory: Memory | None = None
    activations: Activations | None = None
    energy: Energy | None = None
    packed: Packed | None = None
    kinematics: Kinematics | None = None
    ap: LabelledAp | None = None
    parity_max_abs: float | None = None
    """Largest difference between the artefact's maps and the network's on real frames."""


class Record(Facts):
    """One candidate: where it came from, what it measured, under which conditions, or the error that ended it."""

    format: Literal[1] = 1
    name: str
    role: Literal["teacher", "candidate"]
    key: str
    """Hash of what was asked: teacher, steps, frames and measuring settings. Equal keys need no second run."""
    id: str | None
    """Hash of the candidate's content: spec and weights."""
    parent: str | None
    teacher: str
    steps: tuple[dict[str, Any], ...]
    stages: Count | None
    backbone: str | None
    measurement: Measurement
    missing: dict[str, str]
    """Column of candidates.csv -> why it is empty."""
    conditions: dict[str, Any]
    licence: Licence
    error: str | None = None
    notes: tuple[dict[str, Any], ...] = ()
    """What its steps found out on their way, each with a `kind`: the curve of a training, for instance."""


def append_record(path: Path, record: Record) -> None:
    """Adds one line and flushes it to disk."""
    append_line(path, json.dumps(record.model_dump(mode="json"), sort_keys=True))


def read_records(path: Path) -> list[Record]:
    """The records of a run, the newest for each name, in the order of their first appearance.

    A line cut short by a kill is passed over: its candidate was not finished.
    """
    found: dict[str, Record] = {}
    for record in _lines(path):
        found[record.name] = record
    return list(found.values())


def _lines(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Record.model_validate_json(line)
        except ValidationError:
            continue
