"""What the operating system reports about memory: this process's and the machine's. psutil is imported here only.

It is imported where it is needed and no sooner: on Linux the size of a measured process must not include it.
"""

from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """What is resident now."""
    if _STATUS.exists():
        return _status_bytes("VmRSS")
    import psutil  # noqa: PLC0415

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The most that was ever resident in this process.

    On Linux not getrusage's ru_maxrss: a child inherits it through fork and exec, so a large parent's size would be
    reported for a small child. VmHWM belongs to the address space and starts anew with exec.
    """
    if _STATUS.exists():
        return _status_bytes("VmHWM")
    import psutil  # noqa: PLC0415

    windows_peak: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if windows_peak is not None:
        return windows_peak
    import resource  # noqa: PLC0415

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: bytes


def machine_bytes() -> int:
    """The memory that the machine has."""
    import psutil  # noqa: PLC0415

    return int(psutil.virtual_memory().total)


def _status_bytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
