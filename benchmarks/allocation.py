"""What keeping freed memory saves: the six-stage teacher's pass with glibc's defaults and the alternatives.

    python benchmarks/allocation.py [--rounds 5] [--passes 5] [--height 368] [--width 656] [--threads 2]
                                    [--artefact model.onnx] [--only default,kept]

Each way runs in a fresh process, all in turn within a round, so that a busy machine slows all; ratios are taken round
by round. CPU time is the steadier one where others want the CPU too. Weights are random: time does not depend on
them. `first` is the first pass, which also touches everything for the first time; `later` is the median of the passes
after it. Without an artefact only PyTorch runs.
Ends with 1 if keeping freed memory does not lower the faults of a later PyTorch pass to a hundredth.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fact = dict[str, float]
_KEEP = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
WAYS: dict[str, dict[str, str]] = {  # name -> environment of the process
    "default": {},
    "kept": {},  # eval.allocation, what `compress` does
    "glibc variables": _KEEP,
    "glibc hugetlb=1": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "both": {**_KEEP, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "torch huge pages": {"THP_MEM_ALLOC_ENABLE": "1"},
}
_OURS = ("GLIBC_TUNABLES", "THP_MEM_ALLOC_ENABLE")


def torch_pass(options: argparse.Namespace) -> Callable[[], object]:
    """One forward pass in PyTorch."""
    import torch  # noqa: PLC0415 - after the allocator has been set

    from teachers.openpose_thin import spec  # noqa: PLC0415
    from teachers.posenet import PoseNet  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = PoseNet(spec()).eval()
    image = torch.rand(1, 3, options.height, options.width) * 255

    def run() -> object:
        with torch.inference_mode():
            return network(image)

    return run


def onnx_pass(options: argparse.Namespace) -> Callable[[], object]:
    """One run of the artefact in ONNX Runtime."""
    import numpy as np  # noqa: PLC0415

    from eval.runtimes import RUNTIMES  # noqa: PLC0415

    image = np.random.default_rng(0).uniform(0, 255, (1, 3, options.height, options.width)).astype(np.float32)
    session = RUNTIMES["onnxruntime"].load(options.artefact, options.threads)
    return lambda: session.run(image)


def work(options: argparse.Namespace) -> Fact:
    """Runs the passes in this process, allocator first."""
    if options.way == "kept":
        from eval.allocation import keep_freed_memory  # noqa: PLC0415

        keep_freed_memory()
    run = torch_pass(options) if options.runtime == "torch" else onnx_pass(options)
    faults, seconds, cpu = [], [], []
    for _ in range(options.passes + 1):
        before, start, cpu_start = (
            resource.getrusage(resource.RUSAGE_SELF).ru_minflt,
            time.perf_counter(),
            time.process_time(),
        )
        run()
        cpu.append(time.process_time() - cpu_start)
        seconds.append(time.perf_counter() - start)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return {
        "first_s": seconds[0],
        "first_faults": faults[0],
        "later_s": statistics.median(seconds[1:]),
        "later_cpu_s": statistics.median(cpu[1:]),
        "later_faults": statistics.median(faults[1:]),
    }


def in_fresh_process(way: str, runtime: str) -> Fact:
    """The same call again as a worker, with the environment of the way and nothing left of the user's."""
    kept = {k: v for k, v in os.environ.items() if k not in _OURS and not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, *sys.argv, "--way", way, "--runtime", runtime],
        env=kept | WAYS[way],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{runtime}, {way}: {done.stderr.strip()[-800:]}")
    fact: Fact = json.loads(done.stdout.splitlines()[-1])
    return fact


def show(runtime: str, found: dict[str, list[Fact]]) -> None:
    """The table of one runtime; a ratio is default over the way in later passes, so above 1 is faster than default."""
    ratios_of = "default / way, wall          default / way, CPU"
    print(f"\n{runtime}\n{'way':<18}{'later ms':>9}{'faults':>8}{'first ms':>9}{'faults':>8}  {ratios_of}")
    for way, facts in found.items():
        middle = {name: statistics.median(fact[name] for fact in facts) for name in facts[0]}
        spreads = []
        for kind in ("later_s", "later_cpu_s"):
            ratios = [one[kind] / other[kind] for one, other in zip(found["default"], facts, strict=True)]
            spreads.append(f"{statistics.median(ratios):>5.2f} ({min(ratios):.2f} .. {max(ratios):.2f})")
        print(
            f"{way:<18}{middle['later_s'] * 1e3:>9.0f}{middle['later_faults']:>8.0f}"
            f"{middle['first_s'] * 1e3:>9.0f}{middle['first_faults']:>8.0f}  {spreads[0]:<29}{spreads[1]}",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("passes", 5), ("height", 368), ("width", 656), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--artefact", type=Path)
    parser.add_argument("--only", default=",".join(WAYS), help="ways to compare, the default among them")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--runtime", help=argparse.SUPPRESS)
    options = parser.parse_args()
    ways: list[str] = options.only.split(",")
    if "default" not in ways or not set(ways) <= WAYS.keys():
        parser.error(f"--only takes default and any of: {', '.join(WAYS)}")
    return options


def main() -> int:
    options = arguments()
    if options.way:
        print(json.dumps(work(options)))
        return 0
    ways: list[str] = options.only.split(",")
    found: dict[str, dict[str, list[Fact]]] = {}
    for runtime in ("torch", "onnxruntime") if options.artefact else ("torch",):
        facts: dict[str, list[Any]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way in ways:
                facts[way].append(in_fresh_process(way, runtime))
        show(runtime, facts)
        found[runtime] = facts
    if "kept" not in ways:
        return 0
    faults = {way: statistics.median(fact["later_faults"] for fact in found["torch"][way]) for way in ways}
    return int(faults["kept"] > faults["default"] / 100)


if __name__ == "__main__":
    sys.exit(main())
