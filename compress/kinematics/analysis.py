"""The two passes over a video, both in a stream: one that finds the people, one that draws them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.common.progress import Reporter
from eval.frame_finder import FrameFinder
from eval.overlay import DrawnPerson, draw_people
from eval.people import Person
from eval.roi_window import Window
from eval.tracks import Track, Tracker
from eval.video import TimedFrame, VideoReader, read_video
from teachers.common.errors import UserError
from teachers.common.files import sha256_of
from teachers.skeleton import Skeleton

TimeRange = tuple[float, float]
_ESTIMATED_AFTER = 30
"""Frames after which the user is told how fast it goes: the first ones load memory."""
SAME_RATE = 0.1
"""Rates that differ by less are the same: phones write 240 where 237 frames a second were kept."""


@dataclass(frozen=True)
class Clip:
    """Which part of which video file."""

    name: str
    path: Path
    time_range: TimeRange | None
    """As the video plays, ends included."""
    slowmo_factor: float = 1.0
    """How many times slower than life the video plays: 8 for 240 frames a second shown at 30 (Sports2D's name)."""

    def frames(self, video: VideoReader) -> Iterator[TimedFrame]:
        """The frames that are shown within the time range, ends included."""
        start, end = self.time_range or (0.0, np.inf)
        for frame in video:
            if frame.time_s > end:
                return
            if frame.time_s >= start:
                yield frame

    def expected(self, video: VideoReader) -> int:
        """How many frames there will be, for a progress bar; a file that announces none is counted first."""
        total = video.frame_count
        if total is None:
            with read_video(self.path) as again:
                total = again.count()
        if self.time_range is None:
            return total
        start, end = (min(max(0, round(time_s * video.fps)), total) for time_s in self.time_range)
        return min(end - start + 1, total)


@dataclass(frozen=True)
class Watched:
    """What one pass over a clip left: keypoints and times, no picture."""

    first_frame: int
    """The video's index of the clip's first frame; the clip's frames follow each other."""
    times: NDArray[np.float64]
    """(N,) true seconds of every frame of the clip, slow motion taken out."""
    tracks: list[Track]
    """Their `frames` count from the clip's first frame."""
    problems: list[str]
    video: dict[str, Any]
    rates: dict[str, Any]
    windows: list[tuple[Window, ...]]
    """Where the network looked in each frame of the clip; empty where it saw the whole frame alone."""


def watch(
    clip: Clip, finder: FrameFinder, reporter: Reporter, on_people: Callable[[int, Sequence[Person]], None]
) -> Watched:
    """Finds and follows the people of a clip; `on_people` gets each frame's index in the video and its people.

    UserError if the video cannot be read, or if no frame lies in the time range.
    """
    tracker = Tracker()
    first, last_s = 0, 0.0
    times: list[float] = []
    seconds: list[tuple[float, float]] = []
    windows: list[tuple[Window, ...]] = []
    passes = 0
    started = time.perf_counter()
    with read_video(clip.path) as video:
        for frame in reporter.track(clip.frames(video), f"people in {clip.name}", clip.expected(video)):
            time_s = frame.time_s / clip.slowmo_factor
            found = finder(frame.image, time_s)
            tracker.update(found.people, time_s)
            on_people(frame.index, found.people)
            first = first if times else frame.index
            times.append(time_s)
            seconds.append((found.parts.network_s, found.parts.decoding_s))
            windows.append(tuple(look.window for look in found.looks))
            passes += found.full_frame is not None
            if len(times) == _ESTIMATED_AFTER:
                per_s = len(times) / (time.perf_counter() - started)
                reporter.say(f"{clip.name}: about {per_s:.3g} frames per second, video and drawing not counted")
        last_s = video.timing.frames / video.fps
        if not times:
            start, end = clip.time_range or (0.0, 0.0)
            raise UserError(
                f"{clip.name}: no frame lies between {start:g} s and {end:g} s; the video lasts about {last_s:.2f} s"
            )
        facts = _video_facts(clip, video)
        problems = [*facts["problems"], *slow_motion_notes(video, clip.slowmo_factor)]
    rates = _rates(np.array(seconds), time.perf_counter() - started)
    rates |= {"full_frame_passes": passes, "windows": sum(map(len, windows))}
    return Watched(first, np.array(times), tracker.tracks(), problems, facts, rates, windows)


def drawn_frames(
    clip: Clip,
    people_at: Callable[[int], Sequence[DrawnPerson]],
    skeleton: Skeleton,
    windows: Sequence[Sequence[Window]] = (),
) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Each frame of the clip with people drawn in, and its time in the video, which stays slow motion if it was.

    people_at: the clip's frame, counted from 0 -> the people drawn in it. windows: of each frame, drawn thinly.
    """
    with read_video(clip.path) as video:
        for position, frame in enumerate(clip.frames(video)):
            caption = f"{frame.time_s / clip.slowmo_factor:.2f} s  frame {frame.index}"
            looked = windows[position] if position < len(windows) else ()
            yield draw_people(frame.image, people_at(position), skeleton, caption, looked), frame.time_s


def slow_motion_notes(video: VideoReader, factor: float) -> list[str]:
    """A sentence where the file says that it was captured at another rate than the factor takes it for."""
    captured, shown = video.captured_fps, video.timing.measured_fps or video.fps
    if captured is None or abs(captured / (shown * factor) - 1) <= SAME_RATE:
        return []
    said = f"the file says that it was captured at {captured:.4g} frames per second, and plays at {shown:.3g}"
    return [f"{said}: velocities and times hold with --slowmo-factor {captured / shown:.3g}, given was {factor:g}"]


def _video_facts(clip: Clip, video: VideoReader) -> dict[str, Any]:
    timing = video.timing
    return {
        "name": clip.name,
        "sha256": sha256_of(clip.path),
        "width": video.width,
        "height": video.height,
        **_rotation(video),
        "fps_declared": video.fps,
        "fps_measured": timing.measured_fps,
        "fps_captured": video.captured_fps,
        "slowmo_factor": clip.slowmo_factor,
        "variable_frame_rate": timing.variable,
        "shortest_interval_s": timing.dt_min_s,
        "longest_interval_s": timing.dt_max_s,
        "frames_read": timing.frames,
        "frames_announced": video.frame_count,
        "problems": list(video.problems),
    }


_QUARTER_TURNS: Mapping[tuple[bool, bool, bool], int] = {
    (False, False, False): 0,
    (True, True, False): 90,
    (False, True, True): 180,
    (True, False, True): 270,
}


def _rotation(video: VideoReader) -> dict[str, Any]:
    turn = video.turn
    angle = _QUARTER_TURNS.get((turn.swap, turn.flip_x, turn.flip_y))
    note = "the file asks for a mirror image: applied" if angle is None else "applied" if angle else "none"
    return {"rotation_deg_clockwise": angle, "rotation": note}


def _rates(seconds: NDArray[np.float64], wall_s: float) -> dict[str, Any]:
    """What the first pass took: in all, and network and decoding apart."""
    network, decoding = np.median(seconds, axis=0) * 1e3
    return {
        "frames": len(seconds),
        "seconds": wall_s,
        "frames_per_second": len(seconds) / wall_s,
        "network_ms_median": float(network),
        "decoding_ms_median": float(decoding),
        "network_s_total": float(seconds[:, 0].sum()),
        "decoding_s_total": float(seconds[:, 1].sum()),
    }
