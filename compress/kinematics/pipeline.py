"""A video -> joint angles and velocities of the people in it: tables, per-frame people, plots, overlay video.

kinematics.json is written last and removed first, so a folder that holds one is complete.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import environment
from compress.common.progress import Reporter
from compress.kinematics.analysis import Clip, TimeRange, Watched, drawn_frames, watch
from compress.kinematics.output_folder import FACTS, check_folder, clear
from compress.kinematics.plots import joints_png, segments_png, velocities_png
from compress.report.figures.canvas import short
from compress.run.model_lookup import Model
from eval.frame_finder import frame_finder
from eval.inference import Inference
from eval.kinematic_files import (
    kinematics_facts,
    write_angles_mot,
    write_json,
    write_long_csv,
    write_px_trc,
    write_velocities_mot,
)
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse, every_frame
from eval.maps import BASE_HEIGHT
from eval.overlay import DrawnPerson
from eval.people import DecodeSettings, Person
from eval.people_json import write_people
from eval.track_choice import KeepSettings, OnePersonChoice, choose_person, keep_people
from eval.tracks import Track, TrackSettings
from eval.video import VideoWriter, read_video
from teachers.common.errors import UserError
from teachers.common.files import short_name, staging, write_bytes

PersonChoice = OnePersonChoice | Literal["all"]


@dataclass(frozen=True)
class KinematicsCall:
    """What the user asked for."""

    name: str
    """What the video is called in results: its file's name, or a sample's."""
    video: Path
    model: Model
    out: Path
    person: PersonChoice = "highest_likelihood"
    settings: KinematicsSettings = field(default_factory=KinematicsSettings)
    inference: Inference = field(default_factory=lambda: Inference(scales=(1.0,)))
    """On the whole frame at some scales, or through a window that follows each person."""
    time_range: TimeRange | None = None
    """As the video plays; results have true seconds, which differ by `slowmo_factor`."""
    slowmo_factor: float = 1.0
    """How many times slower than life the video plays."""
    overlay: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.slowmo_factor < float("inf"):
            raise UserError(f"slowmo_factor: must lie above 0, got {self.slowmo_factor:g}")

    @property
    def stem(self) -> str:
        """The beginning of every file's name."""
        return short_name(Path(self.name).stem)


@dataclass(frozen=True, eq=False)
class Subject:
    """One person who stayed long enough to be measured, numbered by likelihood from 1."""

    number: int
    positions: NDArray[np.int64]
    """(T,) which frame of the clip each row is, from 0."""
    found: Kinematics


@dataclass(frozen=True, eq=False)
class KinematicsResult:
    """What a call left behind."""

    measured: tuple[Subject, ...]
    """The people whose files were written; empty if there were none."""
    people: int
    """How many there were to choose from."""
    watched: Watched
    facts: Mapping[str, Any]
    """The content of kinematics.json."""


def run_kinematics(call: KinematicsCall, reporter: Reporter) -> KinematicsResult:
    """Writes every file of one video. UserError for a video, folder, time range or person that cannot be.

    Without a person in the video, the people of each frame, the CSV's header and kinematics.json are written.
    """
    finder = frame_finder(call.model.session, call.model.spec, call.inference)
    with read_video(call.video):
        pass  # what is no video is refused before a folder is made for it
    check_folder(call.out, call.name)
    clip = Clip(call.name, call.video, call.time_range, call.slowmo_factor)
    frames = call.out / f"{call.stem}_json"
    with staging(frames) as made:

        def note(frame: int, people: Sequence[Person]) -> None:
            write_people(made / f"{call.stem}_{frame:06d}.json", people)

        watched = watch(clip, finder, reporter, note)
        tracks = keep_people(watched.tracks)
        numbers = _chosen(tracks, call.person)
        subjects = [_subject(number, track, watched, call) for number, track in enumerate(tracks, start=1)]
        # Only now is it sure that there will be results: until here an earlier call's stay.
        clear(call.out, call.stem)
        frames.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.replace(frames / path.name)
    measured = tuple(subject for subject in subjects if subject.number in numbers)
    for subject in measured:
        _write_person(call, subject, watched.first_frame)
    write_long_csv(call.out / f"{call.stem}_angles.csv", [_rows(subject, watched.first_frame) for subject in measured])
    overlay = _write_overlay(call, clip, watched, _people_at(subjects, numbers), reporter) if measured else None
    facts = _facts(call, watched, subjects, measured) | {"overlay": overlay}
    write_json(call.out / FACTS, facts)
    return KinematicsResult(measured, len(subjects), watched, facts)


def _chosen(tracks: Sequence[Track], choice: PersonChoice) -> list[int]:
    if choice == "all" or not tracks:
        return list(range(1, len(tracks) + 1))
    chosen = choose_person(tracks, choice)
    return [number for number, track in enumerate(tracks, start=1) if track is chosen]


def _subject(number: int, track: Track, watched: Watched, call: KinematicsCall) -> Subject:
    positions, times, keypoints = every_frame(track.frames, track.keypoints.astype(np.float64), watched.times)
    found = analyse(times, keypoints, call.model.spec.skeleton, call.settings)
    return Subject(number, positions, found)


def _rows(subject: Subject, first_frame: int) -> tuple[int, list[int], Kinematics]:
    """Number, the video's frame index of each row, kinematics: as eval.kinematic_files takes them."""
    return subject.number, [first_frame + int(position) for position in subject.positions], subject.found


def _write_person(call: KinematicsCall, subject: Subject, first_frame: int) -> None:
    number, frames, found = _rows(subject, first_frame)

    def path(kind: str, suffix: str) -> Path:
        return call.out / f"{call.stem}_{kind}_person{number:02d}{suffix}"

    write_angles_mot(path("angles", ".mot"), found)
    write_angles_mot(path("angles_raw", ".mot"), found, "raw")
    write_velocities_mot(path("velocities", ".mot"), found)
    write_px_trc(path("px", ".trc"), found, frames, call.model.spec.skeleton)
    title = f"{short(call.stem, 60)}, person {number}, {found.views.in_words(found.times)}"
    for kind, picture in (("joints", joints_png), ("segments", segments_png), ("velocities", velocities_png)):
        data = picture(found, title)
        if data is not None:
            write_bytes(path(kind, ".png"), data)


def _write_overlay(
    call: KinematicsCall,
    clip: Clip,
    watched: Watched,
    people_at: Callable[[int], Sequence[DrawnPerson]],
    reporter: Reporter,
) -> dict[str, Any] | None:
    """The overlay video in kinematics.json; None if none was asked for."""
    if not call.overlay:
        return None
    path = call.out / f"{call.stem}_kinematics.mp4"
    rate = watched.video["fps_measured"] or watched.video["fps_declared"]
    frames = drawn_frames(clip, people_at, call.model.spec.skeleton, watched.windows)
    with VideoWriter(path, rate) as writer:
        start_s = float(watched.times[0]) * clip.slowmo_factor
        for image, time_s in reporter.track(frames, "overlay video", len(watched.times)):
            writer.write(image, max(0.0, time_s - start_s))
    if not writer.plays_in_browser:
        reporter.warn(
            f"{path}: written as {writer.codec}, which browsers do not play; this FFmpeg has no other encoder"
        )
    return {"file": path.name, "codec": writer.codec, "plays_in_browser": writer.plays_in_browser}


def _people_at(subjects: Sequence[Subject], measured: Sequence[int]) -> Callable[[int], list[DrawnPerson]]:
    """The people drawn in a frame of the clip: measured ones with their angles, the others in grey."""

    def at(position: int) -> list[DrawnPerson]:
        drawn = []
        for subject in subjects:
            row = position - int(subject.positions[0])
            if 0 <= row < len(subject.positions):
                found = subject.found
                # An angle between guessed points is no measurement: it is in the files, marked, and not in the picture.
                known = np.where(found.filled[row], np.nan, found.filtered[row])
                angles = dict(zip(found.names, known.tolist(), strict=True))
                own = angles if subject.number in measured else None
                drawn.append(DrawnPerson(subject.number, found.keypoints[row], own, found.guessed[row]))
        return drawn

    return at


def _facts(
    call: KinematicsCall, watched: Watched, subjects: Sequence[Subject], measured: Sequence[Subject]
) -> dict[str, Any]:
    """The content of kinematics.json: every setting, version and rate, and each person with what columns mean."""
    conditions: dict[str, Any] = {
        "video": watched.video,
        "clip": {
            "time_range_s": call.time_range,
            "first_frame": watched.first_frame,
            "frames": len(watched.times),
            "start_s": float(watched.times[0]),
            "end_s": float(watched.times[-1]),
        },
        "model": call.model.facts(),
        "estimation": {
            "base_height": BASE_HEIGHT,
            **call.inference.model_dump(mode="json", exclude_none=True),
            "decoding": asdict(DecodeSettings()),
        },
        "tracking": asdict(TrackSettings()),
        "kept_people": asdict(KeepSettings()),
        "person_choice": call.person,
        "people_found": len(subjects),
        "rates": watched.rates,
        "environment": environment(),
    }
    facts = kinematics_facts([_rows(subject, watched.first_frame) for subject in measured], conditions)
    if not measured:
        facts["settings"] = asdict(call.settings)
        facts["problem"] = "no person was found for long enough to be measured"
    return facts
