"""Workers as processes of their own, each with its share of the cores, watched and started again when one dies."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from compress.common.display import Shown, currently_shown, shown
from compress.common.failure import failure
from compress.common.progress import Reporter
from compress.measure.latency import LatencyMetric
from compress.search.call import SearchCall, SearchPaths, worker_name
from compress.search.torchrun import Leader, train_along
from compress.search.trial_evaluator import Trials
from compress.search.worker import Worker
from compress.search.worker_exit import leave
from compress.tracking.session import Tracking, open_tracking
from compress.training.engine import processes
from teachers.common.errors import UserError
from teachers.common.lock import only_one

_DEATHS = 10
"""So often each worker's place is filled again."""


def work_here(call: SearchCall, reporter: Reporter) -> None:
    """One worker, in this process, with all of its cores."""
    _work(call, reporter, "", lambda: False)


def work_in_processes(call: SearchCall, reporter: Reporter) -> bool:
    """As many workers as asked for, to their end; whether all ended well. One that was killed is started again."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["compress.search.preload"])
    # A file, not a semaphore: one that a killed worker has left is reported as a leak.
    stop = SearchPaths(call.out).work / f"stop-{worker_name(call.out)}"
    shares = core_shares(call.workers)
    running: dict[int, ForkServerProcess] = {}
    deaths, well = 0, True

    def start(place: int) -> None:
        running[place] = context.Process(target=_live, args=(call, place, shares[place], stop, currently_shown()))
        running[place].start()

    for place in range(call.workers):
        start(place)
    try:
        while running:
            ended = wait([process.sentinel for process in running.values()])
            for place, process in list(running.items()):
                if process.sentinel not in ended:
                    continue
                process.join()
                del running[place]
                code = process.exitcode or 0
                if code < 0 and deaths < _DEATHS * call.workers:
                    deaths += 1
                    reporter.warn(f"worker {place} was killed (signal {-code}); its trial is taken up by the next one")
                    start(place)
                elif code:
                    well = False
                    _touch(stop)  # a full disk or a lost storage stops the others too, when their trials have ended
    except KeyboardInterrupt:
        _end(running.values())
        raise
    finally:
        stop.unlink(missing_ok=True)
    return well


def _touch(path: Path) -> None:
    with suppress(OSError):  # on a full disk each worker finds out by itself
        path.touch()


def _end(processes: Any) -> None:
    """They received the same Ctrl-C; those that go on are ended."""
    for process in processes:
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def core_shares(workers: int) -> list[list[int]]:
    """Which cores each worker keeps to: equal shares of those that this process may use, none in two where possible."""
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(workers)]
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // workers)
    return [[cores[(place * each + n) % len(cores)] for n in range(each)] for place in range(workers)]


def refuse_crowding(call: SearchCall) -> None:
    """UserError where workers would time networks with more threads than each of them has cores."""
    if processes()[1] > 1 and call.workers > 1:
        raise UserError("--workers: under torchrun there is one worker, whose trainings all processes share")
    latency = call.recipe.measure.of(LatencyMetric)
    share = len(core_shares(call.workers)[0]) or (os.cpu_count() or 1)
    if call.workers > 1 and latency and latency.threads > share:
        raise UserError(
            f"--workers {call.workers}: each has {share} of the cores, and measure.latency.threads is "
            f"{latency.threads}: they would disturb each other's times; fewer workers or threads, or "
            "`measure.latency: false`"
        )


def _live(call: SearchCall, place: int, cores: Sequence[int], stop: Path, log: Shown | None) -> None:
    """A worker's life; it shows and keeps of the log what its parent does."""
    _end_with_parent()
    if cores:
        os.sched_setaffinity(0, cores)
        import torch  # noqa: PLC0415

        torch.set_num_threads(len(cores))
    with nullcontext() if log is None else shown(log):
        try:
            _work(call, Reporter(), f"worker-{place}", stop.exists)
            code = 0
        except KeyboardInterrupt:
            code = 130  # said by the parent
        except (UserError, OSError) as error:
            code = failure(error, ["search"])
    leave(code)


def _end_with_parent() -> None:
    """A parent that was killed cannot tell its workers, and a search that is called again wants them gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def follow_here(call: SearchCall) -> None:
    """The part of each further process that torchrun started."""
    quiet = Reporter(quiet=True)
    train_along(call.out, lambda: Trials(call, f"rank-{processes()[0]}", quiet, Tracking()))


def _work(call: SearchCall, reporter: Reporter, place: str, stop: Any) -> None:
    name, places = worker_name(call.out), SearchPaths(call.out)
    quiet = Reporter(quiet=True)
    lock = places.worker(name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            only_one(lock, 0, "this worker is there twice"),
            open_tracking(call.recipe.tracking, call.out, reporter, place or "worker-0") as tracking,
        ):
            leader = Leader(call.out, processes()[1] - 1)
            Worker(call, name, Trials(call, name, quiet, tracking, leader), reporter).work(stop)
            leader.end()
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)
