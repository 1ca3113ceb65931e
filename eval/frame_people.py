"""What one frame gave, however the network was run on it: the people, where was looked, and what each part took."""

from dataclasses import dataclass, field

from eval.people import Person
from eval.pose import Estimate
from eval.roi_look import Look


@dataclass(frozen=True)
class Parts:
    """Seconds of one frame. Added up over frames they are those of a clip."""

    preparing_s: float = 0.0
    """Resizing, or cutting out windows."""
    network_s: float = 0.0
    decoding_s: float = 0.0
    """From maps to people."""
    tracking_s: float = 0.0
    """Choosing windows, and matching people to them."""

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(
            self.preparing_s + other.preparing_s,
            self.network_s + other.network_s,
            self.decoding_s + other.decoding_s,
            self.tracking_s + other.tracking_s,
        )

    @property
    def total_s(self) -> float:
        """All of it; decoding the video is not in it."""
        return self.preparing_s + self.network_s + self.decoding_s + self.tracking_s


@dataclass(frozen=True, eq=False)
class FramePeople:
    """The people of one frame, and what was run to find them."""

    people: list[Person]
    """Keypoints in pixels of the frame, highest sum of confidences first."""
    parts: Parts
    looks: tuple[Look, ...] = ()
    """All windows that were run, also those that showed no person."""
    full_frame: Estimate | None = None
    """The pass over the whole frame, if there was one."""


@dataclass(frozen=True)
class Counts:
    """What was run on a clip, or on several images."""

    frames: int = 0
    windows: int = 0
    full_frame_passes: int = 0
    parts: Parts = field(default_factory=Parts)

    def plus(self, frame: FramePeople) -> "Counts":
        """With one frame more."""
        return Counts(
            self.frames + 1,
            self.windows + len(frame.looks),
            self.full_frame_passes + (frame.full_frame is not None),
            self.parts + frame.parts,
        )
