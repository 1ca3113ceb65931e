"""Energy: counters as the kernel writes them, one run's share of them, and an estimate that says what it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eval import energy_counters
from eval.energy import PICOJOULES_PER_BYTE, PICOJOULES_PER_MAC, estimate
from eval.energy_counters import Counter, find_counter, joules_per_run


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")
    return folder


@pytest.fixture
def rapl(tmp_path: Path) -> Path:
    """Two packages, a part of one, and what holds them again."""
    root = tmp_path / "powercap"
    for name, kind in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:2", "psys")):
        write(root / name, name=kind, energy_uj=1_000_000, max_energy_range_uj=10_000_000)
    write(root / "intel-rapl:0:0", name="core", energy_uj=5, max_energy_range_uj=10_000_000)
    return tmp_path


def test_packages_are_summed_and_their_limit_is_passed(rapl: Path) -> None:
    counter, _ = find_counter(rapl)
    assert counter is not None and counter.name == "RAPL, 2 CPU package(s)" and counter.joules() == 0
    write(rapl / "powercap/intel-rapl:0", energy_uj=3_500_000)
    write(rapl / "powercap/intel-rapl:1", energy_uj=500_000)  # past its limit: 9.5 J more
    write(rapl / "powercap/intel-rapl:2", energy_uj=9_000_000)
    write(rapl / "powercap/intel-rapl:0:0", energy_uj=2_000_000)
    assert counter.joules() == pytest.approx(2.5 + 9.5)
    write(rapl / "powercap/intel-rapl:0", energy_uj=3_600_000)
    assert counter.joules() == pytest.approx(12.1)


def test_a_counter_that_may_not_be_read_is_none_with_a_reason(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def refused(self: Path, *given: object, **named: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", refused)
    assert find_counter(rapl) == (None, "the CPU's energy counter cannot be read here: Permission denied")


@pytest.mark.parametrize(
    ("files", "later", "joules"),
    [
        ({"energy_now": 5_000_000}, {"energy_now": 4_999_000}, 3.6),
        ({"charge_now": 3_000_000, "voltage_now": 4_000_000}, {"charge_now": 2_999_000}, 3600e-6 * 1000 * 4),
    ],
)
def test_a_battery_in_use_counts(tmp_path: Path, files: dict[str, int], later: dict[str, int], joules: float) -> None:
    write(tmp_path / "power_supply/AC", type="Mains")
    battery = write(tmp_path / "power_supply/BAT0", type="Battery", status="Discharging", **files)
    counter, _ = find_counter(tmp_path)
    assert counter is not None and "battery" in counter.name
    write(battery, **later)
    assert counter.joules() == pytest.approx(joules)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"status": "Charging", "energy_now": 1}, "unplug the charger"),
        ({"status": "Discharging"}, "neither energy nor charge"),
    ],
)
def test_a_battery_that_cannot_count_says_why(tmp_path: Path, files: dict[str, object], says: str) -> None:
    write(tmp_path / "power_supply/BAT0", type="Battery", **files)
    counter, reason = find_counter(tmp_path)
    assert counter is None and says in reason


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    assert find_counter(tmp_path) == (None, "this machine offers no energy counter")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes when a run says so."""
    now = [0.0]
    monkeypatch.setattr(energy_counters.time, "perf_counter", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_a_runs_energy_is_the_counters_growth_over_the_runs(clock: Callable[[float], None]) -> None:
    used = [0.0]

    def run() -> None:
        clock(0.01)
        used[0] += 0.25

    assert joules_per_run(run, Counter("c", lambda: used[0])) == pytest.approx(0.25)
    assert used[0] / 0.25 >= 100, "a second at least"


def test_a_coarse_counter_is_waited_for_but_not_for_ever(clock: Callable[[float], None]) -> None:
    runs = [0]

    def run() -> None:
        clock(0.5)
        runs[0] += 1

    steps = Counter("c", lambda: float(runs[0] // 5))  # moves with every fifth run
    assert joules_per_run(run, steps) == pytest.approx(0.2, rel=0.05)
    assert joules_per_run(run, Counter("stuck", lambda: 0.0)) is None


def _published() -> Iterator[tuple[str, float]]:
    """Horowitz 2014, figure 1.1.9: multiplication plus addition, picojoules."""
    yield from (("fp32", 3.7 + 0.9), ("fp16", 1.1 + 0.4), ("int8", 0.2 + 0.1))


def test_the_estimate_is_the_published_energies_times_the_counts() -> None:
    assert dict(_published()) == pytest.approx(dict(PICOJOULES_PER_MAC))
    assert pytest.approx(PICOJOULES_PER_BYTE, rel=0.03) == 1300 / 8, "1.3 nJ for 64 bits"
    found = estimate({"fp32": 1_000_000_000, "int8": 1_000_000_000}, 1_000_000)
    assert found.arithmetic_mj == pytest.approx(4.6 + 0.3)
    assert found.memory_mj == pytest.approx(0.16)
    assert found.total_mj == pytest.approx(5.06)
