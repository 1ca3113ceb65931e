"""Decoding through damage: sound frames only, and a sentence on each stretch that is lost."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import takewhile
from typing import Protocol, TypeVar

from eval.video_clock import Losses


class Timed(Protocol):
    """A packet or a frame with its stamp, in units of time_base seconds."""

    @property
    def pts(self) -> int | None: ...
    @property
    def time_base(self) -> Fraction | None: ...
    @property
    def is_corrupt(self) -> bool: ...


class Packet(Timed, Protocol):
    """A compressed frame; the empty one at the end asks for what is held back."""

    @property
    def is_keyframe(self) -> bool: ...
    @property
    def size(self) -> int: ...


P = TypeVar("P", bound=Packet)
F = TypeVar("F", bound=Timed)
P_contra = TypeVar("P_contra", bound=Packet, contravariant=True)
F_co = TypeVar("F_co", bound=Timed, covariant=True)


class Decoder(Protocol[P_contra, F_co]):
    """What is needed of a decoder."""

    def decode(self, packet: P_contra) -> Iterable[F_co] | None:
        """The frames that come out when the packet goes in; None when the decoder refuses it."""
        ...

    def drain(self) -> Iterable[F_co]:
        """The frames that were held back for reordering; afterwards the decoder starts anew."""
        ...


def sound_frames(packets: Iterable[P], decoder: Decoder[P, F], problems: list[str]) -> Iterator[F]:
    """Frames in the order of showing; after damage nothing until the next key frame, since all between build on it.

    A decoder left alone would go on, with pictures that look right and are not.
    """
    losses = Losses()
    held: list[float | None] = []
    waiting = False
    for packet in packets:
        if packet.size:
            held.append(seconds(packet))
        if waiting and not packet.is_keyframe:
            continue
        if waiting:
            losses.add(held[:-1])
            held = held[-1:]
            problems += losses.close()
        frames, waiting = _put(packet, decoder)
        shown = [seconds(frame) for frame in frames]
        # A decoder that stumbles also swallows frames that were due: after damage, whatever did not come out is lost.
        held = _rest(held, shown) if waiting else _later(held, shown)
        yield from frames
    if waiting:
        losses.add(held)
        problems += losses.close()
    else:
        yield from decoder.drain()


def seconds(item: Timed) -> float | None:
    """The stamp in seconds."""
    return None if item.pts is None or item.time_base is None else float(item.pts * item.time_base)


def _later(held: list[float | None], shown: list[float | None]) -> list[float | None]:
    """What may still come out of a sound stream: frames come in the order of showing, so nothing earlier follows."""
    for last in shown:
        held = held[1:] if last is None else [time_s for time_s in held if time_s is None or time_s > last]
    return held


def _rest(held: list[float | None], shown: list[float | None]) -> list[float | None]:
    """What went in and has not come out."""
    rest = list(held)
    for time_s in shown:
        if time_s in rest:
            rest.remove(time_s)
    return rest


def _put(packet: P, decoder: Decoder[P, F]) -> tuple[list[F], bool]:
    """The sound frames that come out, and whether there was damage."""
    given = decoder.decode(packet) if not packet.is_corrupt else None
    frames = list(given or ())
    if given is not None and not any(frame.is_corrupt for frame in frames):
        return frames, False
    # What was decoded before the damage and only held back for reordering is sound; the damaged picture may come along.
    frames += [frame for frame in decoder.drain() if given is not None or frame.pts is None or frame.pts != packet.pts]
    return list(takewhile(lambda frame: not frame.is_corrupt, frames)), True
