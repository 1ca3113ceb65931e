"""Paired rounds on a made-up machine whose clock only moves when somebody runs: order, disturbances, resume, ratios."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.counters import Counters, ProcessMeter
from eval.latency import LatencySettings, Round, run_rounds, summarise, turn

Happening = Callable[["Machine"], None]


@dataclass
class Machine:
    """Two cores, runners of given seconds that keep both cores busy; `happens` maps a run's number to an event."""

    seconds: dict[str, float]
    happens: Callable[[int], Happening | None] = lambda _run: None
    cold_runs: int = 0
    cores: int = 2
    wall_s: float = 0.0
    cpu_s: float = 0.0
    busy: float | None = 0.0
    faults: int = 0
    switches: int = 0
    ran: list[str] = field(default_factory=list)

    def clock_s(self) -> float:
        return self.wall_s

    def counters(self) -> Counters:
        return Counters(self.cpu_s, self.faults, self.switches)

    def busy_s(self) -> float | None:
        return self.busy

    def spend(self, wall_s: float, cpu_s: float, others_s: float = 0.0) -> None:
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        if self.busy is not None:
            self.busy += cpu_s + others_s

    def runners(self) -> dict[str, Callable[[], object]]:
        return {name: lambda name=name: self.run(name) for name in self.seconds}

    def run(self, name: str) -> None:
        number = len(self.ran)
        self.ran.append(name)
        if number < self.cold_runs:
            self.faults += 10_000
            self.spend(self.seconds[name], 0.0)
        if event := self.happens(number):
            event(self)
        self.spend(self.seconds[name], 2 * self.seconds[name])


def faulting(machine: Machine) -> None:
    machine.faults += 5000


def waiting(machine: Machine) -> None:
    machine.spend(0.02, 0.0)


def preempted_briefly(machine: Machine) -> None:
    machine.spend(0.006, 0.0)
    machine.switches += 50


def hampered(machine: Machine) -> None:
    """Caches and clock frequency taken by others: slower at full CPU time."""
    machine.spend(0.08, 0.16)


def crowded(machine: Machine) -> None:
    machine.spend(0.0, 0.0, others_s=0.5)


SETTINGS = LatencySettings(threads=2, rounds=6, max_repeats=3)
WARM = 9  # three rounds of three runners


def three(**more: object) -> Machine:
    return Machine({"teacher": 0.1, "five": 0.08, "one": 0.05}, **more)  # type: ignore[arg-type]


def rounds_of(machine: Machine, settings: LatencySettings = SETTINGS, done: int = 0) -> list[Round]:
    return list(run_rounds(machine.runners(), 1.0, settings, done, machine))


def test_a_quiet_machine_repeats_nothing() -> None:
    machine = three()
    rounds = rounds_of(machine)
    assert len(rounds) == SETTINGS.rounds
    assert not any(timed.disturbed or timed.repeats for timed in rounds)
    assert all(timed.seconds == pytest.approx(machine.seconds) for timed in rounds)
    assert len(machine.ran) == WARM + 3 * SETTINGS.rounds


def test_warm_up_lasts_until_memory_is_in_place_but_not_for_ever() -> None:
    machine = three(cold_runs=12)
    assert not any(timed.disturbed or timed.repeats for timed in rounds_of(machine))
    assert len(machine.ran) > WARM + 3 * SETTINGS.rounds
    restless = three(happens=lambda run: lambda machine: setattr(machine, "faults", machine.faults + run**3))
    rounds_of(restless)
    assert len(restless.ran) <= 3 * (SETTINGS.max_warmup + 2 * SETTINGS.rounds)


@pytest.mark.parametrize("event", [faulting, waiting, preempted_briefly, hampered, crowded])
@pytest.mark.parametrize("run", [WARM, WARM + 4])
def test_a_disturbed_round_is_repeated(event: Happening, run: int) -> None:
    machine = three(happens=lambda number: event if number == run else None)
    rounds = rounds_of(machine)
    assert [timed.repeats for timed in rounds] == [
        int(number == (run - WARM) // 3) for number in range(SETTINGS.rounds)
    ]
    assert not any(timed.disturbed for timed in rounds)
    assert all(timed.seconds == pytest.approx(machine.seconds) for timed in rounds)


def test_a_small_wait_alone_is_no_disturbance() -> None:
    machine = three(happens=lambda run: (lambda machine: machine.spend(0.003, 0.0)) if run > WARM else None)
    assert not any(timed.repeats for timed in rounds_of(machine))


def test_lasting_trouble_is_kept_and_marked_within_bounds() -> None:
    machine = three(happens=lambda run: waiting if run >= WARM else None)
    rounds = rounds_of(machine)
    assert all(timed.disturbed for timed in rounds)
    assert [timed.repeats for timed in rounds] == [3, 3, 0, 0, 0, 0], "at most `rounds` repeats in all"


def test_trouble_that_was_there_in_the_warm_up_is_normal() -> None:
    for event in (faulting, waiting, hampered, crowded):
        rounds = rounds_of(three(happens=lambda _run, event=event: event))
        assert not any(timed.repeats or timed.disturbed for timed in rounds), event.__name__


def test_others_on_cores_that_we_leave_free_do_not_disturb() -> None:
    machine = three(cores=16, happens=lambda run: crowded if run >= WARM else None)
    assert not any(timed.repeats for timed in rounds_of(machine))


def test_a_slow_down_that_hits_all_alike_is_not_repeated() -> None:
    machine = three()
    slow = [*run_rounds(machine.runners(), 1.0, LatencySettings(rounds=2), 0, machine)]
    throttled = three()

    def throttle(run: int) -> Happening | None:
        if run == WARM:
            for name in throttled.seconds:
                throttled.seconds[name] *= 2
        return None

    throttled.happens = throttle
    rounds = rounds_of(throttled)[1:]  # the event falls between the first round's readings
    assert not any(timed.repeats for timed in rounds)
    assert rounds[0].seconds["one"] == pytest.approx(2 * slow[0].seconds["one"])


def test_without_counters_of_the_system_times_still_come() -> None:
    machine = three(busy=None, happens=lambda run: waiting if run == WARM else None)
    assert [timed.repeats for timed in rounds_of(machine)] == [1, 0, 0, 0, 0, 0]


def test_resume_goes_on_with_the_next_lap() -> None:
    first, second = three(), three()
    whole = rounds_of(first)
    rest = rounds_of(second, done=4)
    assert len(rest) == 2
    assert first.ran[-6:] == second.ran[-6:], "the order of a round depends on its number alone"
    assert [timed.seconds.keys() for timed in rest] == [timed.seconds.keys() for timed in whole[4:]]
    finished = three()
    assert rounds_of(finished, done=6) == []
    assert finished.ran == [], "nothing to measure, nothing to warm up"


def test_a_round_survives_json() -> None:
    rounds = rounds_of(three())
    assert [Round(**json.loads(json.dumps(asdict(timed)))) for timed in rounds] == rounds


@pytest.mark.parametrize("count", range(1, 9))
def test_everybody_runs_at_every_place_behind_changing_neighbours(count: int) -> None:
    names = [str(number) for number in range(count)]
    orders = [turn(names, number) for number in range(2 * count)]
    assert all(sorted(order) == names for order in orders)
    for name in names:
        assert {order.index(name) for order in orders} == set(range(count))
        before = [one for order in orders for one, other in pairwise(order) if other == name]
        assert len(before) == 2 * (count - 1)
        assert {before.count(other) for other in names if other != name} <= {2}, "each neighbour equally often"


Times = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=12)


@given(ours=Times, drift=st.lists(st.floats(0.2, 5.0), min_size=12, max_size=12))
def test_drift_that_hits_all_alike_leaves_the_ratio_unchanged(ours: list[float], drift: list[float]) -> None:
    still = [Round(1.0, {"teacher": 0.5, "one": one}, False, 0) for one in ours]
    drifting = [
        Round(1.0, {name: factor * seconds for name, seconds in timed.seconds.items()}, False, 0)
        for timed, factor in zip(still, drift, strict=False)
    ]
    expected, found = summarise(still, "teacher", 0)["one"].total, summarise(drifting, "teacher", 0)["one"].total
    assert found.ratio == pytest.approx(expected.ratio)
    assert (found.ratio_ci_low, found.ratio_ci_high) == pytest.approx((expected.ratio_ci_low, expected.ratio_ci_high))


def test_a_total_is_the_sum_over_the_scales_within_a_round() -> None:
    rounds = [Round(0.5, {"teacher": t, "one": t / 4}, False, 1) for t in (0.1, 0.3, 0.2)]
    rounds += [Round(1.0, {"teacher": 2 * t, "one": t}, True, 0) for t in (0.1, 0.3, 0.2)]
    found = summarise(rounds, "teacher", 0)
    assert found["teacher"].total.median_ms == pytest.approx(600)
    assert found["one"].total.median_ms == pytest.approx(250)
    assert found["one"].total.ratio == pytest.approx(1.25 / 3)
    assert found["one"].scales[0.5].ratio == pytest.approx(0.25)
    assert found["one"].scales[1.0].p90_ms == pytest.approx(np.percentile([100, 300, 200], 90))
    assert (
        found["teacher"].total.ratio == found["teacher"].total.ratio_ci_low == found["teacher"].total.ratio_ci_high == 1
    )
    assert (found["one"].disturbed, found["one"].kept_disturbed) == (3, 3)


def test_unfinished_rounds_do_not_count_and_nothing_is_an_error() -> None:
    rounds = [Round(0.5, {"teacher": 1.0}, False, 0)] * 2 + [Round(1.0, {"teacher": 1.0}, False, 0)]
    assert summarise(rounds, "teacher", 0)["teacher"].total.median_ms == 2000
    with pytest.raises(ValueError, match="no round"):
        summarise([], "teacher", 0)
    with pytest.raises(ValueError, match="no 'other' among teacher"):
        summarise(rounds, "other", 0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    trials, covered = 200, 0
    for seed in range(trials):
        rounds = [Round(1.0, {"teacher": 1.0, "one": 0.5 * rng.lognormal(0, 0.1)}, False, 0) for _ in range(20)]
        total = summarise(rounds, "teacher", seed)["one"].total
        assert total.ratio_ci_low <= total.ratio <= total.ratio_ci_high
        covered += total.ratio_ci_low <= 0.5 <= total.ratio_ci_high
    assert 0.88 * trials <= covered < trials


def test_equal_seeds_give_equal_intervals() -> None:
    rounds = [Round(1.0, {"teacher": 1.0, "one": 0.4 + i / 100}, False, 0) for i in range(12)]
    assert summarise(rounds, "teacher", 3) == summarise(rounds, "teacher", 3)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"rounds": 0}, {"max_repeats": -1}, {"max_warmup": 1}])
def test_settings_check_themselves(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="too small"):
        LatencySettings(**wrong)


def test_the_real_meter_sees_work_and_fresh_memory() -> None:
    meter = ProcessMeter()
    before, start = meter.counters(), meter.clock_s()
    total = sum(range(300_000))
    fresh = np.ones(64 * 2**20, np.uint8)
    after = meter.counters()
    assert total
    assert fresh[-1]
    assert after.cpu_s > before.cpu_s
    assert meter.clock_s() > start
    assert meter.cores >= 1
    assert after.faults >= before.faults
    busy = meter.busy_s()
    assert busy is None or busy > 0
