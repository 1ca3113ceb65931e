"""What a machine's own counters report about energy: Intel's and AMD's RAPL, or a battery that is being used up.

Linux alone, standard library alone, Python 3.9: `compress bench --script` takes this file along.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FEWEST_CHANGES = 20
"""A battery's gauge moves in steps; so many of them bound what one step more or less changes to 5%."""
_LEAST_S, _MOST_S = 1.0, 120.0


class Counter:
    """Joules that the machine has used since the counter was made."""

    def __init__(self, name: str, joules: Callable[[], float]) -> None:
        self.name, self.joules = name, joules


def find_counter(root: Path = Path("/sys/class")) -> tuple[Counter | None, str]:
    """The counter that this machine offers, or None and why there is none."""
    packages = [folder for folder in sorted(root.glob("powercap/intel-rapl:*")) if is_package(folder)]
    if packages:
        try:
            return Counter(f"RAPL, {len(packages)} CPU package(s)", rapl(packages)), ""
        except OSError as error:
            return None, f"the CPU's energy counter cannot be read here: {error.strerror}"
    for folder in sorted(root.glob("power_supply/*")):
        if text(folder / "type") == "Battery":
            if text(folder / "status") != "Discharging":
                return None, "the battery is not being used up: unplug the charger"
            found = battery(folder)
            return (None, "the battery reports neither energy nor charge") if found is None else (found, "")
    return None, "this machine offers no energy counter"


def is_package(folder: Path) -> bool:
    """A whole CPU package: `intel-rapl:0:0` is a part of one, and psys holds the packages again."""
    return folder.name.count(":") == 1 and text(folder / "name").startswith("package")


def rapl(packages: list[Path]) -> Callable[[], float]:
    """Sums the packages. Each counts microjoules up to a limit and begins anew."""
    files = [folder / "energy_uj" for folder in packages]
    limits = [int(text(folder / "max_energy_range_uj") or 0) for folder in packages]
    state: dict[str, Any] = {"last": [int(file.read_text()) for file in files], "used": 0}

    def joules() -> float:
        now = [int(file.read_text()) for file in files]
        for before, after, limit in zip(state["last"], now, limits):  # noqa: B905 - Python 3.9 has no `strict`
            state["used"] += after - before if after >= before else after - before + limit
        state["last"] = now
        return float(state["used"]) / 1e6

    return joules


def battery(folder: Path) -> Counter | None:
    """Microwatt hours where it counts them, else microampere hours times the voltage of the moment."""
    for file, name in (
        ("energy_now", "the battery's energy"),
        ("charge_now", "the battery's charge times its voltage"),
    ):
        if text(folder / file).isdigit() and (file == "energy_now" or text(folder / "voltage_now").isdigit()):
            state: dict[str, float] = {"last": float(text(folder / file)), "used": 0.0}

            def joules(file: str = file, state: dict[str, float] = state) -> float:
                now = float(text(folder / file))
                volts = 1.0 if file == "energy_now" else float(text(folder / "voltage_now")) / 1e6
                state["used"] += (state["last"] - now) * 3600e-6 * volts
                state["last"] = now
                return state["used"]

            return Counter(name, joules)
    return None


def text(path: Path) -> str:
    """The content of a file of the kernel; empty where it does not exist."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def joules_per_run(
    run: Callable[[], Any], counter: Counter, least_s: float = _LEAST_S, most_s: float = _MOST_S
) -> float | None:
    """What one run uses, all that the machine does besides included; None where the counter is too coarse for it."""
    run()
    first = last = counter.joules()
    began, runs, changes = time.perf_counter(), 0, 0
    while time.perf_counter() - began < least_s or changes < _FEWEST_CHANGES:
        if time.perf_counter() - began > most_s:
            return None
        run()
        runs += 1
        now = counter.joules()
        changes += now != last
        last = now
    return (last - first) / runs if runs and last > first else None
