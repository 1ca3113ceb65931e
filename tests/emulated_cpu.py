"""Python on an emulated x86 CPU without VNNI, where qemu-user is installed (Debian: apt-get install qemu-user)."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_QEMU = "qemu-x86_64"
_ROOT = Path(__file__).parent.parent

needs_emulation = pytest.mark.skipif(
    shutil.which(_QEMU) is None or platform.machine() != "x86_64",
    reason="no qemu-user here, or another machine than x86-64",
)


def run_on_haswell(program: str, *arguments: str | Path) -> None:
    """Runs the Python program on a CPU of 2013, which has AVX2 and nothing after it."""
    words = [_QEMU, "-cpu", "Haswell", sys.executable, "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
