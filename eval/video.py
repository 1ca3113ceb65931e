"""Video files in and out, in a stream: the one place that knows PyAV (FFmpeg's libraries)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import av.error
import av.logging
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eval.video_clock import Announced, Clock, Ticks, Timing, earliest
from eval.video_formats import ASSUMED_FPS, ENCODERS, TICKS_PER_S, TimedFrame, captured_fps, is_moving
from eval.video_recovery import sound_frames
from eval.video_shape import Turn, check_picture, even, turn_of
from teachers.common.errors import UserError
from teachers.common.files import replacing

__all__ = ["TimedFrame", "VideoReader", "VideoWriter", "read_video"]

av.logging.set_level(None)  # damage is told in `problems`, not on stderr


def read_video(path: Path) -> "VideoReader":
    """Opens a video. Raises UserError when it is none, or when not a single frame can be decoded."""
    return VideoReader(path)


class VideoReader:
    """Reads a video once, from start to end; memory does not grow with its length.

    The truth is what decodes: a frame that the decoder calls damaged is left out, with all that build on it up to the
    next key frame, and `problems` says so. `problems` is complete when the last frame has been read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        first = self._start({"err_detect": "explode"})
        if first is None:
            # Some cameras write something that a strict decoder objects to in every frame.
            self.problems = ["the decoder objects to every frame; read without its checks, so damage may go unseen"]
            first = self._start({})
        if first is None:
            raise UserError(f"{path}: no frame of this video can be decoded; is the file cut off or damaged?")
        self._first = first
        self.turn = self._find_turn(first)
        # Pixels that are not square (old camcorders) would bend every angle.
        aspect = float(self._stream.sample_aspect_ratio or 1)
        self._stored = (max(1, round(first.width * aspect)), first.height)
        self.width, self.height = self._stored[::-1] if self.turn.swap else self._stored

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._container.close()

    @property
    def frame_count(self) -> int | None:
        """How many frames the container announces; often absent, sometimes wrong."""
        return self._stream.frames or None

    @property
    def timing(self) -> Timing:
        """The frame intervals met so far."""
        return self._clock.timing()

    def __iter__(self) -> Iterator[TimedFrame]:
        for index, time_s, frame in self._timed():
            yield TimedFrame(index, time_s, self._image(frame))

    def pick(self, indices: Sequence[int]) -> Iterator[TimedFrame]:
        """Only the frames of these rising indices; the others are decoded but not converted."""
        wanted = iter(indices)
        sought = next(wanted, None)
        for index, time_s, frame in self._timed():
            if index == sought:
                yield TimedFrame(index, time_s, self._image(frame))
                sought = next(wanted, None)
            if sought is None:
                return

    def count(self) -> int:
        """Reads to the end without converting, and says how many frames there are."""
        return sum(1 for _ in self._timed())

    def _start(self, options: dict[str, str]) -> VideoFrame | None:
        self._container, self._stream = _open(self.path)
        # On several threads the H.264 decoder forgets the errors of a slice and hands out the damaged picture.
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.options = options
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else ASSUMED_FPS
        self.captured_fps = captured_fps({**self._container.metadata, **self._stream.metadata})
        self._clock = Clock(self.fps, float(self._stream.time_base or 0))
        self._packets = 0
        self._frames = sound_frames(self._demuxed(), _Decoder(self._stream), self.problems)
        first = next(self._frames, None)
        if first is None:
            self._container.close()
        return first

    def _demuxed(self) -> Iterator["Packet[VideoStream]"]:
        try:
            for packet in self._container.demux(self._stream):
                self._packets += packet.size > 0
                yield packet
        except av.error.FFmpegError as error:
            self.problems.append(f"the file could not be read on: {error.strerror}")

    def _timed(self) -> Iterator[tuple[int, float, VideoFrame]]:
        index = 0
        streams = (*self._container.streams.video, *self._container.streams.audio)
        origin = earliest((one.start_time, one.time_base) for one in streams)
        for frame in chain([self._first], self._frames):
            stamp = frame.pts if frame.pts is not None else frame.dts  # AVI states only the latter
            base = frame.time_base
            time_s = self._clock.stamp(None if stamp is None or base is None else float(stamp * base - origin))
            if time_s is not None:
                yield index, time_s, frame
                index += 1
        whole_s = self._container.duration if len(self._container.streams) == 1 else None  # sound may go on for longer
        announced = Announced(self._stream.frames, (whole_s or 0) / 1_000_000)
        self.problems += [*self._clock.problems(), *announced.missing(self._packets, self._clock.last)]

    def _image(self, frame: VideoFrame) -> NDArray[np.uint8]:
        width, height = self._stored
        image = frame.to_ndarray(format="bgr24", width=width, height=height)
        return self.turn.apply(image.astype(np.uint8, copy=False))

    def _find_turn(self, frame: VideoFrame) -> Turn:
        matrix = cast("Mapping[str, SideData]", frame.side_data).get("DISPLAYMATRIX")
        turn = turn_of(bytes(matrix)) if matrix is not None else Turn()
        if turn is None:
            self.problems.append("the file asks for a rotation that is no quarter turn: not applied")
        return turn or Turn()


@dataclass(frozen=True)
class _Decoder:
    stream: VideoStream

    def decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame] | None:
        try:
            return self.stream.decode(packet)
        except av.error.FFmpegError:
            return None

    def drain(self) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        with suppress(av.error.FFmpegError):  # EOFError where nothing is held back
            frames = self.stream.decode(None)
        self.stream.codec_context.flush_buffers()
        for frame in frames:
            frame.time_base = self.stream.time_base  # which PyAV takes from the packet, and there was none
        return frames


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    if not path.is_file():
        raise UserError(f"{path}: there is no such video file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes)")
    try:
        # An absolute path is never taken for a protocol, and a video may not name other places to read from.
        options = {"protocol_whitelist": "file"}
        container = av.open(str(path.resolve()), "r", options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise UserError(f"{path}: cannot be read as a video, it may be cut off or be none: {error.strerror}") from error
    try:
        return container, _pictures(path, container)
    except UserError:
        container.close()
        raise


def _pictures(path: Path, container: InputContainer) -> VideoStream:
    if not is_moving(container.format.name):
        raise UserError(f"{path}: is no video (looks like {container.format.long_name or container.format.name})")
    # The cover of a song is a video stream too, for FFmpeg.
    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:
        has = "has sound but no pictures" if container.streams.audio else "holds no pictures"
        raise UserError(f"{path}: {has}; a video is needed")
    if moving[0].codec_context is None:
        raise UserError(f"{path}: the installed FFmpeg libraries cannot decode this kind of video")
    return moving[0]


class VideoWriter:
    """Writes an .mp4 file that starts to play before all of it is loaded; there whole or not at all.

    H.264 where the FFmpeg libraries have an encoder for it, else VP9, else MPEG-4 part 2: `codec` says which, and
    `plays_in_browser` whether that is enough. Without a single frame no file is made. Odd sides gain a row or column.
    """

    def __init__(self, path: Path, fps: float = 30.0, crf: int | None = None) -> None:
        """`fps` guides the encoder alone: frames are shown at their own times. A higher `crf` is smaller and worse."""
        if path.suffix.lower() != ".mp4":
            raise ValueError(f"videos are written as .mp4, got {path.name}")
        self.path = path
        self.codec: str | None = None
        self._crf = crf
        self._rate = Fraction(fps).limit_denominator(1001)
        self._shape: tuple[int, ...] | None = None
        self._ticks = Ticks(TICKS_PER_S, fps)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None or self._shape is None:
            self._stack.__exit__(kind, error, at)
            return
        with self._stack:
            self._mux(None)

    @property
    def plays_in_browser(self) -> bool:
        """False for the last resort, which only desktop players show."""
        return self.codec not in (None, "mpeg4")

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Adds image (H, W, 3), blue first, all of one size, shown from time_s on; times must rise.

        Raises UserError when the file cannot be written.
        """
        check_picture(image, self._shape)
        tick = self._ticks.take(time_s)
        if self._shape is None:
            self._shape = image.shape
            self._begin(even(image))
        frame = VideoFrame.from_ndarray(even(image), format="bgr24")
        frame.pts, frame.time_base = tick, Fraction(1, TICKS_PER_S)
        self._mux(frame)

    def _begin(self, image: NDArray[np.uint8]) -> None:
        height, width = image.shape[:2]
        self.codec = next((name for name in ENCODERS if _opens(name, width, height)), None)
        if self.codec is None:
            raise UserError(f"{self.path}: the installed FFmpeg has none of the encoders {', '.join(ENCODERS)}")
        try:
            partial = self._stack.enter_context(replacing(self.path))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}; choose another folder") from error
        # The index goes in front, so that a browser can start at once.
        self._container = av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"})
        self._stack.callback(self._container.close)
        options = ENCODERS[self.codec] | ({} if self._crf is None else {"crf": str(self._crf)})
        stream = self._container.add_stream(self.codec, rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        _shape(stream.codec_context, width, height)

    def _mux(self, frame: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                if packet.pts == self._ticks.last:
                    packet.duration = self._ticks.last_interval
                self._container.mux(packet)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written on: {error.strerror}") from error


def _opens(codec: str, width: int, height: int) -> bool:
    """Whether the encoder is there and takes pictures of this size."""
    try:
        context = av.CodecContext.create(codec, "w")
        assert isinstance(context, VideoCodecContext)
        _shape(context, width, height)
        context.options = dict(ENCODERS[codec])
        context.open()
    except (UnknownCodecError, av.error.FFmpegError):
        return False
    return True


def _shape(context: VideoCodecContext, width: int, height: int) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, TICKS_PER_S)
