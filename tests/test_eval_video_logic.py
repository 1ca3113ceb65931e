"""Time stamps, turns and recovery from damage, without a file."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.video_clock import Clock
from eval.video_formats import captured_fps
from eval.video_recovery import sound_frames
from eval.video_shape import turn_of


def test_a_slanted_display_matrix_is_no_turn() -> None:
    slanted = np.array([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30], np.int32)
    assert turn_of(slanted.tobytes()) is None


@pytest.mark.parametrize(
    ("tags", "rate"),
    [
        ({"com.android.capture.fps": "240.000000"}, 240.0),
        ({"title": "x", "COM.ANDROID.CAPTURE.FPS": "120"}, 120.0),
        ({"com.android.capture.fps": "fast"}, None),
        ({"com.android.capture.fps": "nan"}, None),
        ({"com.android.capture.fps": "0"}, None),
        ({}, None),
    ],
)
def test_the_rate_at_which_a_phone_filmed(tags: dict[str, str], rate: float | None) -> None:
    assert captured_fps(tags) == rate


@given(st.lists(st.one_of(st.none(), st.floats(-10, 1000)), max_size=40))
def test_times_rise_whatever_the_file_states(stated: list[float | None]) -> None:
    clock = Clock(30.0)
    times = [time_s for time_s in map(clock.stamp, stated) if time_s is not None]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert clock.timing().frames == len(times)
    known = [time_s for time_s in stated if time_s is not None]
    if len(known) == len(stated) and known == sorted(set(known)):
        assert times == known and clock.problems() == []


def test_a_doubled_time_is_left_out_and_a_new_count_goes_on() -> None:
    clock = Clock(10.0)
    assert [clock.stamp(stated) for stated in (50.0, 50.1, 50.1, 0.0, 0.1)] == pytest.approx(
        [50.0, 50.1, None, 50.2, 50.3]
    )
    assert [problem.split(":")[0] for problem in clock.problems()] == [
        "frames left out because their time stamp does not rise",
        "jumps back of the time stamps",
    ]


@dataclass(frozen=True)
class Piece:
    """A packet and the picture in it, for a decoder that shows at once."""

    pts: int
    is_keyframe: bool = False
    is_corrupt: bool = False
    size: int = 1
    time_base: Fraction = Fraction(1, 1)


class AtOnce:
    def __init__(self, refused: set[int]) -> None:
        self.refused = refused

    def decode(self, packet: Piece) -> list[Piece] | None:
        return None if packet.pts in self.refused else [packet]

    def drain(self) -> list[Piece]:
        return []


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_every_packet_is_shown_or_told_lost(keys: list[bool], data: st.DataObject) -> None:
    keys[0] = True
    bad = data.draw(st.sets(st.integers(0, len(keys) - 1)))
    problems: list[str] = []
    pieces: Iterator[Piece] = (Piece(number, key) for number, key in enumerate(keys))
    shown = [piece.pts for piece in sound_frames(pieces, AtOnce(bad), problems)]
    expected, sound = [], False
    for number, key in enumerate(keys):
        sound = (sound or key) and number not in bad
        expected += [number] if sound else []
    assert shown == expected
    lost = sum(int(problem.split(": ")[1].split(" ")[0]) for problem in problems)
    assert lost == len(keys) - len(shown)


@pytest.mark.parametrize("fps", [30.0, 60.0, 240.0, 30000 / 1001])
def test_stamps_in_whole_milliseconds_give_back_the_even_rate(fps: float) -> None:
    true = [0.021 + i / fps for i in range(500)]
    clock = Clock(fps, 0.001)
    times = [clock.stamp(round(time_s, 3)) for time_s in true]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert max(steps) - min(steps) < 1e-9 and 1 / steps[0] == pytest.approx(fps)
    assert max(abs(time_s - one) for time_s, one in zip(times, true, strict=True)) <= 0.001
    assert clock.timing().measured_fps == pytest.approx(fps) and not clock.timing().variable


def test_a_rate_that_truly_varies_keeps_its_stamps() -> None:
    stated = [0.0, 0.033, 0.081, 0.100, 0.152, 0.167]
    clock = Clock(30.0, 0.001)
    times = [clock.stamp(time_s) for time_s in stated]
    assert times == pytest.approx(stated, abs=0.001) and times[2] == 0.081 and times[4] == 0.152
    fine = Clock(30.0, 1 / 90_000)
    assert [fine.stamp(time_s) for time_s in stated] == stated
    assert clock.timing().variable
