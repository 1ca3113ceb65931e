"""What the whole stage table costs, beside one pass of the teacher alone over the same frames.

    python benchmarks/stage_table.py [--images 20] [--scales 0.5 1 1.5 2] [--threads 2] [--out stage_table.json]

Stage t of the teacher is the candidate with t stages, so the rows of the stage table come from the teacher's own
pass, with the maps of every stage as outputs. `alone` prepares a frame and runs the teacher's artefact at every scale;
`table` does what `compress run` does for six rows: prepares, runs with all stages out, averages the scales and takes
the differences. Both run in turn on each frame, order changing, and the ratio is taken frame by frame. `each apart`
runs the six artefacts one after the other, which is what the table would cost without that.
Ends with 1 if the table costs more than 1.15 times the teacher alone.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from eval.allocation import keep_freed_memory

ALLOWED = 1.15
WARM_UP = 2


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Seconds per frame of each way, after a warm-up."""
    from compress.common.fact_cache import FactCache  # noqa: PLC0415
    from compress.core.candidate import Candidate  # noqa: PLC0415
    from compress.measure.fidelity import FidelityPlan, Scorer  # noqa: PLC0415
    from compress.run.builder import Builder  # noqa: PLC0415 - after the allocator has been set
    from compress.run.teacher_stages import TeacherStages  # noqa: PLC0415
    from compress.steps.context import StepContext  # noqa: PLC0415
    from compress.steps.remove_stages import RemoveStages  # noqa: PLC0415
    from eval.frames import Frame, draw_sample, open_source  # noqa: PLC0415
    from eval.maps import prepare  # noqa: PLC0415
    from eval.runtimes import RUNTIMES  # noqa: PLC0415
    from teachers.registry import load_teacher  # noqa: PLC0415

    teacher = Candidate.of(*load_teacher("openpose-mobilenet-thin"))
    sample = draw_sample(open_source("sports2d-demo"), options.images + WARM_UP, seed=0)
    frames = list(sample.frames())
    multiple, scales = teacher.spec.multiple, tuple(options.scales)
    builder = Builder(
        stages=TeacherStages(teacher, folder),
        context=StepContext(seed=0),
        folder=folder / "candidates",
        cache=FactCache(folder / "journal.jsonl"),
        parity_inputs=[prepare(frames[0].image, 0.5, multiple)],
    )
    keeps = [*range(len(teacher.spec.stages) - 1, 0, -1)]
    built = [builder.build("teacher", [], "")]
    built += [builder.build(f"stages-{n}", [RemoveStages(step="remove_stages", stages=n)], "") for n in keeps]
    plan = FidelityPlan(built[0], built, builder.stages.file(), sample, scales, options.threads)
    scorer = Scorer(plan)
    sessions = [RUNTIMES["onnxruntime"].load(one.artefact, options.threads) for one in built]

    def alone(frame: Frame) -> None:
        for scale in scales:
            sessions[0].run(prepare(frame.image, scale, multiple))

    def table(frame: Frame) -> None:
        scorer.score(frame, built)

    def each_apart(frame: Frame) -> None:
        for scale in scales:
            image = prepare(frame.image, scale, multiple)
            for session in sessions:
                session.run(image)

    ways: dict[str, Callable[[Frame], None]] = {"alone": alone, "table": table, "each apart": each_apart}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number, frame in enumerate(frames):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            taken = seconds(lambda name=name, frame=frame: ways[name](frame))  # type: ignore[misc]
            if number >= WARM_UP:
                times[name].append(taken)
    return times


def main(arguments: Sequence[str] | None = None) -> int:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description="The stage table beside a teacher pass alone.")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 1.0, 1.5, 2.0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        times = measure(options, Path(folder))
    scales = ", ".join(f"{scale:g}" for scale in options.scales)
    print(f"six rows, {options.images} frames, scales {scales}, {options.threads} threads, onnxruntime")
    print("| way | median ms per frame | times the teacher alone: median (10th to 90th percentile) |\n|---|---|---|")
    rows = {}
    for name, found in times.items():
        ratios = [one / alone for one, alone in zip(found, times["alone"], strict=True)]
        low, *_, high = statistics.quantiles(ratios, n=10)
        rows[name] = {"median_ms": statistics.median(found) * 1e3, "ratio": statistics.median(ratios)}
        rows[name] |= {"ratio_p10": low, "ratio_p90": high}
        print(f"| {name} | {rows[name]['median_ms']:.0f} | {rows[name]['ratio']:.3f} ({low:.3f} to {high:.3f}) |")
    if options.out:
        from teachers.common.files import write_text  # noqa: PLC0415

        conditions = {"machine": platform.machine(), "python": platform.python_version()}
        write_text(options.out, json.dumps({**vars(options), "out": None, **conditions, "rows": rows}, indent=1) + "\n")
    return 0 if rows["table"]["ratio"] <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
