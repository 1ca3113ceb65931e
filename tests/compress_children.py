"""`compress` in processes of their own that may be killed, stopped or starved of disk.

They are forked from a server that has imported torch and the rest once: a start then costs milliseconds and not
seconds, so that a test can afford many.
"""

import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
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


def children() -> ForkServerContext:
    """The server, which is one for all tests of a process: it imports what any of its children needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["compress.cli.run", "compress.cli.search", "accelerate", "torch._dynamo"])
    return context


def start(words: list[str], log: Path, export: Path, fate: Fate | None = None) -> ForkServerProcess:
    """Starts `compress WORDS...`; what it prints goes to `log`. The tiny teacher's export is taken from a file."""
    process = children().Process(target=_live, args=(words, log, export, fate or Fate()))
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

    _speak_into(log)
    patched: Any = teacher_stages
    patched.export_all_stages = lambda network: load_graph(export)
    if fate.interrupted:
        # A suite that is started in the background of a script has Ctrl-C ignored, and its children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    system: Any = os
    system.fsync = _counted(os.fsync, fate)
    if fate.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fate.file_limit, fate.file_limit))
    _end_with(main, words)


def call_beside(packages: Path, words: list[str], log: Path) -> int:
    """`compress WORDS...` where packages are installed beside ours, which is imported anew; the exit code."""
    process = children().Process(target=_live_beside, args=(packages, words, log))
    process.start()
    process.join(300)
    assert process.exitcode is not None, log.read_text()
    return process.exitcode


def in_two(live: Callable[..., None], *given: Any) -> list[int | None]:
    """Calls `live(RANK, *given)` in two processes that torchrun could have started, to their end; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [children().Process(target=_live_as, args=(live, rank, port, *given)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(240)
    return [process.exitcode for process in both]


def _live_as(live: Callable[..., None], rank: int, port: int, *given: Any) -> None:
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in places.items()}, MASTER_ADDR="127.0.0.1")
    live(rank, *given)


def command_in_two(words: list[str], folder: Path) -> list[int | None]:
    """`compress WORDS...` as above; what each prints goes to `said-RANK` in the folder."""
    return in_two(_command, words, folder)


def _command(rank: int, words: list[str], folder: Path) -> None:
    _speak_into(folder / f"said-{rank}")
    from compress.__main__ import main

    _end_with(main, words)


def _live_beside(packages: Path, words: list[str], log: Path) -> None:
    _speak_into(log)
    for name in list(sys.modules):
        if name.partition(".")[0] in ("compress", "eval", "students", "teachers"):
            del sys.modules[name]
    sys.path.insert(0, str(packages))
    from compress.__main__ import main

    _end_with(main, words)


def _speak_into(log: Path) -> None:
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with(main: Callable[[], int], words: list[str]) -> None:
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
