"""`compress` in processes of their own that may be killed, stopped or starved of disk.

They are forked from a server that has imported torch and the rest once: a start then costs milliseconds and not
seconds, so that a test can afford many.
"""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fate:
    """What befalls a process."""

    at_flush: int | None = None
    """It is killed, as by kill -9, when it is about to flush its n-th write to disk, counted from 1."""
    interrupted: bool = False
    """... or Ctrl-C is pressed there instead."""
    file_limit: int | None = None
    """No file may grow beyond this number of bytes."""


def start(words: list[str], log: Path, export: Path, fate: Fate | None = None) -> ForkServerProcess:
    """Starts `compress WORDS...`; what it prints goes to `log`. The tiny teacher's export is taken from a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["compress.cli.run", "compress.cli.search", "torch._dynamo"])
    process = context.Process(target=_live, args=(words, log, export, fate or Fate()))
    process.start()
    return process


def call(words: list[str], log: Path, export: Path, fate: Fate | None = None) -> int:
    """As `start`, to its end; the exit code, negative for a signal."""
    process = start(words, log, export, fate)
    process.join(120)
    assert process.exitcode is not None, log.read_text()
    return process.exitcode


def _live(words: list[str], log: Path, export: Path, fate: Fate) -> None:
    from compress.__main__ import main
    from compress.export.onnx_export import load_graph
    from compress.run import teacher_stages

    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    patched: Any = teacher_stages
    patched.export_all_stages = lambda network: load_graph(export)
    if fate.interrupted:
        # A suite that is started in the background of a script has Ctrl-C ignored, and its children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    system: Any = os
    system.fsync = _counted(os.fsync, fate)
    if fate.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fate.file_limit, fate.file_limit))
    sys.argv = ["compress", *words]
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _counted(flush: Callable[[Any], None], fate: Fate) -> Callable[[Any], None]:
    """Every durable write of a run ends in os.fsync, so its calls count the moments at which a kill may come."""
    calls = 0

    def fsync(file: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == fate.at_flush:
            os.kill(os.getpid(), signal.SIGINT if fate.interrupted else signal.SIGKILL)
        flush(file)

    return fsync
