"""Which files count as videos, how videos are written, and what a frame of one is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ASSUMED_FPS = 25.0
"""Where a file says nothing; a frame rate that FFmpeg assumes as well."""

# Demuxers that would make a video out of a text file, a single picture or a list of other files.
NO_VIDEO = {"tty", "image2", "concat", "hls", "dash", "lavfi", "bin", "xbin", "adf", "idf"}

# In order of preference; each of them can lie in an .mp4 file.
ENCODERS = {
    # Without B-frames, because with them a short clip of uneven frames is given a wrong duration.
    "libx264": {"crf": "20", "preset": "veryfast", "bf": "0"},
    "h264": {"bf": "0"},
    "libopenh264": {"b": "4000000"},
    "libvpx-vp9": {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "6"},
    "mpeg4": {"qmin": "2", "qmax": "5"},
}

TICKS_PER_S = 60_000
"""Holds 24, 25, 30, 60 and 30000/1001 frames a second exactly; the mpeg4 encoder takes no finer than 1/65535."""


@dataclass(frozen=True)
class TimedFrame:
    """A picture (H, W, 3) uint8, blue first, upright, and the time at which the file says it is shown.

    `index` counts the frames that could be decoded; `time_s` counts from the start of the file, as a player does.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


def is_moving(demuxer: str) -> bool:
    """Whether FFmpeg's demuxer of this name (several names, parted by commas) reads videos."""
    names = set(demuxer.split(","))
    return not names & NO_VIDEO and not any(name.endswith("_pipe") for name in names)


CAPTURE_KEY = "com.android.capture.fps"
"""Android's key for the rate at which a slow-motion video was filmed; Matroska writes keys in upper case."""


def captured_fps(tags: Mapping[str, str]) -> float | None:
    """The rate at which a video was filmed, from its file's tags; None where they state none that makes sense."""
    for key, text in tags.items():
        if key.lower() == CAPTURE_KEY:
            try:
                rate = float(text)
            except ValueError:
                return None
            return rate if math.isfinite(rate) and rate > 0 else None
    return None
