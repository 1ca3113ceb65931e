"""Decoding time against the number of people, beside the teacher's network time for one 368x656 image.

    python benchmarks/decoding.py [--artefact model.onnx] [--threads 1] [--rounds 15] [--out decoding.json]

Network and decoder run in turn within a round, so that a busy machine slows both; ratios are taken round by round.
The maps are rendered for the wanted number of people, with noise as networks have it. Without an artefact the
teacher runs in PyTorch, else the artefact in ONNX Runtime. Ends with 1 if five people take over 15% of the network.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.people import decode
from eval.rendering import made_up_person, render_maps
from teachers.common.files import write_text
from teachers.skeleton import COCO_18

INPUT_HW = (368, 656)
STRIDE = 8
PEOPLE = (0, 1, 2, 5, 10, 20)
ALLOWED = (5, 0.15)
Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


def crowd(people: int, rng: np.random.Generator) -> Maps:
    """Maps of so many people side by side, each as large as the picture allows, with 0.5% of noise."""
    height, width = INPUT_HW
    per_row = min(max(people, 1), 5)
    rows = -(-max(people, 1) // per_row)
    stature = 0.8 * min(height / rows, 1.6 * width / per_row)
    figures = []
    for number in range(people):
        row, column = divmod(number, per_row)
        hips = ((column + 0.5) * width / per_row, (row + 0.5) * height / rows)
        figures.append(made_up_person(hips, stature, rng.uniform(-25, 25, 8)))
    heatmaps, pafs = render_maps(figures, COCO_18, (height // STRIDE, width // STRIDE), STRIDE)
    noisy = [maps + rng.normal(0, 0.005, maps.shape).astype(np.float32) for maps in (heatmaps, pafs)]
    return noisy[0], noisy[1]


def network(artefact: Path | None, threads: int) -> tuple[str, Callable[[], object]]:
    """What runs the network, and a call that runs it once."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, *INPUT_HW)).astype(np.float32)
    if artefact is not None:
        from eval.runtimes import RUNTIMES  # noqa: PLC0415 - PyTorch is not needed then, and the other way round

        runtime = RUNTIMES["onnxruntime"]
        session = runtime.load(artefact, threads)
        return f"{artefact.name} in onnxruntime {runtime.version}", lambda: session.run(image)
    import torch  # noqa: PLC0415

    from teachers.registry import load_teacher  # noqa: PLC0415

    torch.set_num_threads(threads)
    teacher, _ = load_teacher("openpose-mobilenet-thin")
    tensor = torch.from_numpy(image)

    def run() -> object:
        with torch.inference_mode():
            return teacher(tensor)

    return f"openpose-mobilenet-thin in torch {torch.__version__}", run


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(run_network: Callable[[], object], rounds: int) -> list[dict[str, float]]:
    """One row per number of people: medians in ms, and the ratio of decoder to network, round by round."""
    rng = np.random.default_rng(0)
    maps = {people: crowd(people, rng) for people in PEOPLE}
    found = {people: len(decode(*maps[people], COCO_18, STRIDE)) for people in PEOPLE}
    run_network()
    network_s: list[float] = []
    decode_s: dict[int, list[float]] = {people: [] for people in PEOPLE}
    for _ in range(rounds):
        network_s.append(seconds(run_network))
        for people in PEOPLE:
            decode_s[people].append(seconds(lambda people=people: decode(*maps[people], COCO_18, STRIDE)))  # type: ignore[misc]
    return [
        {
            "people": people,
            "found": found[people],
            "decode_median_ms": statistics.median(decode_s[people]) * 1e3,
            "decode_p90_ms": float(np.percentile(decode_s[people], 90)) * 1e3,
            "network_median_ms": statistics.median(network_s) * 1e3,
            "ratio_median": statistics.median(d / n for d, n in zip(decode_s[people], network_s, strict=True)),
        }
        for people in PEOPLE
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Decoding time against the number of people.")
    parser.add_argument("--artefact", type=Path, help="an ONNX model; without it the teacher runs in PyTorch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    given = parser.parse_args(arguments)
    name, run_network = network(given.artefact, given.threads)
    rows = measure(run_network, given.rounds)
    print(f"{name}, {given.threads} threads, input {INPUT_HW[0]}x{INPUT_HW[1]}, {given.rounds} rounds")
    print("| people | found | decode ms | p90 ms | network ms | decode / network |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['people']} | {row['found']} | {row['decode_median_ms']:.2f} | {row['decode_p90_ms']:.2f} "
            f"| {row['network_median_ms']:.0f} | {row['ratio_median']:.2%} |"
        )
    if given.out:
        conditions = {
            "network": name,
            "threads": given.threads,
            "rounds": given.rounds,
            "input_hw": INPUT_HW,
            "machine": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        write_text(given.out, json.dumps({**conditions, "rows": rows}, indent=1) + "\n")
    ratio = next(row["ratio_median"] for row in rows if row["people"] == ALLOWED[0])
    return 0 if ratio <= ALLOWED[1] else 1


if __name__ == "__main__":
    sys.exit(main())
