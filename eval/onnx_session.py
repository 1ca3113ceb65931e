"""Sessions of ONNX Runtime as everything here makes them, with int8 sums that are exact on every CPU.

The single file of `compress bench --script` has this text in it, so it needs Python 3.9 and nothing of ours.

x86 CPUs without VNNI (AVX2, AVX-512 of the first years) add two products of a tensor's and a weight's integer in 16
bits, which end at 32767, while 2 * 255 * 127 is 64770. Our artefacts hold weights for which that cannot happen, and
say so (`SUMS_FIT`). Others get kernels that multiply in 16 and add in 32 bits: on such CPUs alone, 1.3 times the time.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

SUMS_FIT = "int8_sums_fit_16_bits"
"""Key of an artefact's metadata: no two products of its int8 weights with any input leave 16 bits."""
_EXACT_SUMS = "session.x64quantprecision"
_CHUNK = 2**20


def session_options(ort: Any, artefact: Path, threads: int) -> Any:
    """Options of every session that is made here."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what goes wrong comes back as an exception
    # Idle threads of one session that spin for work take the CPU from the next session's run. On two cores with
    # some other load, 184x328: four sessions in turn 166 ms a run with spinning, 87 ms without; one session
    # alone 133 ms and 105 ms (medians of four trials each).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if sums_may_overflow(artefact):
        options.add_session_config_entry(_EXACT_SUMS, "1")
    return options


def model_of(artefact: Path) -> Any:
    """What ONNX Runtime loads: the file's path, or its bytes where the path is no UTF-8, which it cannot open."""
    try:
        str(artefact).encode()
    except UnicodeEncodeError:
        return artefact.read_bytes()
    return str(artefact)


def sums_may_overflow(artefact: Path) -> bool:
    """Whether an ONNX file computes in int8 and does not say that its sums fit into 16 bits.

    Read in pieces, for a whole file in memory would count as the artefact's own.
    """
    int8, fits = b"DequantizeLinear", SUMS_FIT.encode()
    found = set()
    with artefact.open("rb") as file:
        piece = file.read(_CHUNK)
        while piece:
            found |= {text for text in (int8, fits) if text in piece}
            more = file.read(_CHUNK)
            piece = piece[-len(fits) :] + more if more else b""  # what was looked for may lie across the edge
    return found == {int8}


def cpu_saturates() -> bool:
    """Whether this CPU adds int8 products in 16 bits, as far as can be told: x86 that does not report VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return True
