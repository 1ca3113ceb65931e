#!/usr/bin/env python3
"""Times artefacts where only numpy and a runtime are installed: a phone under Termux, a Raspberry Pi, another server.

    python compress_bench.py model.onnx smaller.onnx --height 184 --width 328 --threads 1 --out times.json

This file alone is enough: it needs Python 3.9 or later, numpy, and the runtime of the artefacts (onnxruntime,
openvino, executorch, ai-edge-litert or ncnn). `compress report DIR --bench times.json` shows the times with the rest.
All artefacts run once in turn within each round, so that drift hits all alike; ratios are taken within the round.
Where the machine has an energy counter (RAPL, a battery in use), each artefact then runs alone until it has moved.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from eval.artefact_identity import identities  # in the single file, their text stands here
from eval.energy_counters import find_counter, joules_per_run
from eval.onnx_session import cpu_saturates, model_of, session_options, sums_may_overflow
from eval.silent_imports import import_onnxruntime, import_openvino

FORMAT = 1
INPUT_HW = (368, 656)
RESAMPLES, WARM_UP = 2000, 3
Run = Callable[[Any], Any]


class WrongUseError(Exception):
    """What was given cannot work; the message says what would."""


def main(words: list[str] | None = None) -> int:
    """0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(description="Times artefacts of human-pose networks, batch 1, paired rounds.")
    add_arguments(parser)
    try:
        return bench(parser.parse_args(words))
    except WrongUseError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes, here and as `compress bench`."""
    parser.add_argument("artefacts", metavar="ARTEFACT", nargs="*", help=f"files ending in {', '.join(LOADERS)}")
    parser.add_argument("--runtime", choices=sorted(PACKAGES), help="(default: the one whose format it is)")
    parser.add_argument("--threads", type=int, default=1, help="(default: 1)")
    parser.add_argument("--height", type=int, default=INPUT_HW[0], help="of the input (default: 368)")
    parser.add_argument("--width", type=int, default=INPUT_HW[1], help="of the input (default: 656)")
    parser.add_argument("--rounds", type=int, default=20, help="more give narrower intervals (default: 20)")
    parser.add_argument("--out", metavar="FILE", default="bench.json", help="(default: bench.json)")


def bench(options: argparse.Namespace) -> int:
    """Times, prints a table, writes the JSON whole or not at all."""
    for name, least, most in (("threads", 1, 512), ("rounds", 3, 10**6), ("height", 1, 10**5), ("width", 1, 10**5)):
        if not least <= getattr(options, name) <= most:
            raise WrongUseError(f"--{name}: must lie between {least} and {most}, got {getattr(options, name)}")
    if not options.artefacts:
        raise WrongUseError("no ARTEFACT was given")
    paths = [Path(text) for text in options.artefacts]
    loaded = [load(path, options.runtime, options.threads) for path in paths]
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, options.height, options.width)).astype(np.float32)
    times = measure([run for _, run in loaded], image, options.rounds, paths)
    counter, why = find_counter()
    joules = [None if counter is None else joules_per_run(partial(run, image), counter) for _, run in loaded]
    energies = [{"energy_mj": None if energy is None else energy * 1e3} for energy in joules]
    rows: list[dict[str, Any]] = [
        {**identity, "runtime": name, "version": version_of(PACKAGES[name]), **row, **mj}
        for identity, (name, _), row, mj in zip(identities(paths), loaded, summarise(times), energies)  # noqa: B905
    ]  # of Python 3.9, whose zip has no `strict`
    found = {
        "format": FORMAT,
        "machine": machine(),
        "threads": options.threads,
        "input_hw": [options.height, options.width],
        "rounds": options.rounds,
        "energy": why if counter is None else counter.name,
        "artefacts": rows,
    }
    write_whole(Path(options.out), json.dumps(found, indent=1) + "\n")
    print(f"{options.height}x{options.width}, {options.threads} thread(s), {options.rounds} rounds, batch 1")
    for row in rows:
        print(
            f"{row['file']:<40} {row['runtime']:<12} {row['median_ms']:9.2f} ms  p90 {row['p90_ms']:9.2f} ms  "
            f"{row['ratio']:.3f}x ({row['ratio_ci_low']:.3f}-{row['ratio_ci_high']:.3f})"
            + ("" if row["energy_mj"] is None else f"  {row['energy_mj']:.1f} mJ")
        )
    print(f"energy: {found['energy']}; times: {options.out}")
    return 0


def measure(runs: list[Run], image: Any, rounds: int, paths: list[Path]) -> Any:
    """(rounds, artefacts) seconds, after a warm-up."""
    seconds = np.zeros((rounds, len(runs)))
    for number in range(-WARM_UP, rounds):
        for index in turn(len(runs), number % max(1, 2 * len(runs))):
            start = time.perf_counter()
            try:
                runs[index](image)
            except Exception as error:  # each runtime raises what it likes
                if number > -WARM_UP:
                    raise
                size = f"{image.shape[2]}x{image.shape[3]}"
                raise WrongUseError(
                    f"{paths[index]}: does not run at {size}: {' '.join(str(error).split())[:300]}"
                ) from error
            if number >= 0:
                seconds[number, index] = time.perf_counter() - start
    return seconds


def turn(count: int, number: int) -> list[int]:
    """The order of a round: Williams' design (1949), every artefact at every place and after changing neighbours."""
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    order = [(place + number) % count for place in zigzag]
    return order[::-1] if count % 2 and number // count % 2 else order


def summarise(seconds: Any) -> list[dict[str, float]]:
    """Medians, and ratios to the first within the round, with 95% percentile bootstrap intervals over the rounds."""
    rounds = len(seconds)
    picks = np.random.default_rng(0).integers(0, rounds, (RESAMPLES, rounds))
    found = []
    for times in seconds.T:
        ratios = times / seconds[:, 0]
        low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
        found.append(
            {
                "median_ms": float(np.median(times)) * 1e3,
                "p90_ms": float(np.percentile(times, 90)) * 1e3,
                "ratio": float(np.median(ratios)),
                "ratio_ci_low": float(low),
                "ratio_ci_high": float(high),
            }
        )
    return found


def load(path: Path, runtime: str | None, threads: int) -> tuple[str, Run]:
    """The runtime's name and what runs an image in it."""
    usual = next((name for suffix, name in LOADERS.items() if path.name.endswith(suffix)), None)
    name = runtime or usual
    if name is None:
        raise WrongUseError(f"{path}: must end in {', '.join(LOADERS)}")
    if not path.is_file():
        raise WrongUseError(f"{path}: no such file")
    try:
        return name, OPENERS[name](path, threads)
    except ImportError as error:
        raise WrongUseError(f"{path}: {name} is not installed here: pip install {PACKAGES[name]} ({error})") from error
    except Exception as error:  # each runtime raises what it likes
        raise WrongUseError(f"{path}: {name} cannot load it: {' '.join(str(error).split())[:300]}") from error


def open_onnxruntime(path: Path, threads: int) -> Run:
    """ONNX Runtime on the CPU, as in eval/runtimes."""
    ort = import_onnxruntime()
    options = session_options(ort, path, threads)
    session = ort.InferenceSession(model_of(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})


def open_openvino(path: Path, threads: int) -> Run:
    """OpenVINO, CPU, float32."""
    openvino = import_openvino()
    if path.suffix == ".onnx" and cpu_saturates() and sums_may_overflow(path):
        raise ValueError("its int8 sums may overflow 16 bits, which this CPU (x86 without VNNI) adds them in")
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()
    return lambda image: request.infer([image], share_inputs=True)


def open_executorch(path: Path, threads: int) -> Run:
    """ExecuTorch; its Python package needs torch. The pool must be set before anything is loaded."""
    import torch  # noqa: PLC0415
    from executorch.extension.pybindings import portable_lib  # noqa: PLC0415
    from executorch.runtime import Runtime  # noqa: PLC0415

    if portable_lib._threadpool_get_thread_count() != threads:
        portable_lib._unsafe_reset_threadpool(threads)
    method = Runtime.get().load_program(str(path)).load_method("forward")
    return lambda image: method.execute([torch.from_numpy(image)])


def open_litert(path: Path, threads: int) -> Run:
    """LiteRT; where only its older package tflite_runtime can be had, that."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415
    except ImportError:
        from tflite_runtime.interpreter import Interpreter  # noqa: PLC0415
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]

    def run(image: Any) -> None:
        interpreter.set_tensor(given, image)
        interpreter.invoke()

    return run


def open_ncnn(path: Path, threads: int) -> Run:
    """ncnn, float32; the weights lie beside the graph."""
    import ncnn  # noqa: PLC0415

    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise ValueError("graph or weights are damaged")

    def run(image: Any) -> None:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(image[0]).clone())
            for name in ("out0", "out1"):
                extractor.extract(name)

    return run


LOADERS = {".onnx": "onnxruntime", ".xml": "openvino", ".pte": "executorch", ".tflite": "litert", ".param": "ncnn"}
OPENERS: dict[str, Callable[[Path, int], Run]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "executorch": open_executorch,
    "litert": open_litert,
    "ncnn": open_ncnn,
}
PACKAGES = {name: "ai-edge-litert" if name == "litert" else name for name in OPENERS}


def machine() -> dict[str, Any]:
    """What times depend on; no user and no host."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "python": platform.python_version(),
    }


def cpu_name() -> str:
    """Of the CPU, or of the board where the kernel names that alone."""
    for path, keys in (("/proc/cpuinfo", ("model name", "Hardware", "Model")), ("/proc/device-tree/model", ())):
        try:
            text = Path(path).read_text(errors="replace").strip("\0\n ")
        except OSError:
            continue
        lines = [line.partition(":")[2].strip() for key in keys for line in text.splitlines() if line.startswith(key)]
        if lines or (not keys and text):
            return lines[0] if lines else text
    return platform.processor() or "unknown"


def version_of(package: str) -> str | None:
    """None where it was installed without metadata."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_whole(path: Path, text: str) -> None:
    """Beside the target first, then in its place; a device, a pipe and a link stay what they are."""
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
            return
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            part.write_text(text, encoding="utf-8")
            part.replace(path)
    except OSError as error:
        raise WrongUseError(f"{path}: cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
