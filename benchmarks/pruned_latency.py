"""What half the multiply-accumulates are worth in time: even widths beside widths that measured latency chose.

    python benchmarks/pruned_latency.py [--macs 0.5] [--stages 6] [--scale 1] [--rounds 12] [--threads 1] [--out FILE]

The teacher is pruned twice to at most the same share of its multiply-accumulates: every layer by the same share, and
by the latency table (compress/pruning/latency_table.py; measured first, kept for the next call). The three artefacts
then run in turn, the order changing from round to round; every ratio is taken within its round. Printed are multiply-
accumulates, the speed-up that the table predicts and the one that was measured, with its 95% interval. Which weights
stay does not change a time. Ends with 1 if the widths chosen by latency are not at least 1.8 times as fast as the
teacher.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compress.core.candidate import Candidate
from compress.export.onnx_export import cut_at_stage, export_all_stages, save_artefact
from compress.pruning.channel_graph import Layout, read_layout, with_widths
from compress.pruning.importance import product
from compress.pruning.latency_table import open_table
from compress.steps.context import StepContext
from compress.steps.prune_channels import PruneChannels
from compress.steps.remove_stages import RemoveStages
from eval.allocation import keep_freed_memory
from eval.latency import LatencySettings, LatencySummary, run_rounds, summarise
from eval.runtimes import RUNTIMES
from teachers.common.files import write_text
from teachers.posenet import PoseNet
from teachers.registry import load_teacher
from teachers.spec import PoseNetSpec

WANTED = 1.8
RUNTIME = "onnxruntime"
TEACHER, EVEN, CHOSEN = "teacher", "even widths", "widths by latency"


@dataclass(frozen=True)
class Row:
    """One network: its cost on paper, predicted and measured. Speed-ups are the teacher's time over its own."""

    macs: int
    predicted_ms: float
    predicted_speedup: float
    measured_ms: float
    measured_speedup: float
    measured_lo: float
    measured_hi: float


def specs_of(parent: Candidate, layout: Layout, options: argparse.Namespace) -> dict[str, PoseNetSpec]:
    scores = product(parent.network, layout)
    table = open_table(RUNTIME, options.threads)
    found = {TEACHER: parent.spec}
    for name, allocation in ((EVEN, "uniform"), (CHOSEN, "latency")):
        step = PruneChannels.model_validate(
            {"target_macs": options.macs, "allocation": allocation, "round_to": options.round_to}
        )
        counts = step.choose(layout, scores, table).counts
        found[name] = with_widths(parent.spec, layout.narrowed(counts))
    return found


def measure(parent: Candidate, specs: dict[str, PoseNetSpec], options: argparse.Namespace) -> dict[str, LatencySummary]:
    """Paired rounds of the exported networks; the weights of pruned ones are as torch initialises them."""
    rows, columns = input_hw(parent.spec, options.scale)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, rows, columns)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for name, spec in specs.items():
            network = parent.network if name == TEACHER else PoseNet(spec).eval()
            model = cut_at_stage(export_all_stages(network), len(spec.stages))
            path = Path(folder) / f"{name.replace(' ', '-')}.onnx"
            save_artefact(model, network, parent.licence, path)
            sessions[name] = RUNTIMES[RUNTIME].load(path, options.threads)
        runners = {name: lambda session=session: session.run(image) for name, session in sessions.items()}  # type: ignore[misc]
        settings = LatencySettings(threads=options.threads, rounds=options.rounds)
        return summarise(list(run_rounds(runners, options.scale, settings)), TEACHER, seed=0)


def input_hw(spec: PoseNetSpec, scale: float) -> tuple[int, int]:
    """Rows and columns of the input for a 16:9 picture."""
    return round(46 * scale) * spec.stride, round(82 * scale) * spec.stride


def rows_of(
    layout: Layout, specs: dict[str, PoseNetSpec], found: dict[str, LatencySummary], threads: int
) -> dict[str, Row]:
    table = open_table(RUNTIME, threads)
    widths = {name: read_layout(spec, (368, 656)).widths for name, spec in specs.items()}
    predicted = {name: table.network_ms(layout, of) for name, of in widths.items()}
    table.save()
    rows = {}
    for name, summary in found.items():
        total = summary.total
        speed = (1 / total.ratio, 1 / total.ratio_ci_high, 1 / total.ratio_ci_low)
        paper = (layout.macs(widths[name]), predicted[name], predicted[TEACHER] / predicted[name])
        rows[name] = Row(*paper, total.median_ms, *speed)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description="Time at half the multiply-accumulates.")
    parser.add_argument("--teacher", default="openpose-mobilenet-thin")
    parser.add_argument("--macs", type=float, default=0.5, help="share of the multiply-accumulates that stays")
    parser.add_argument("--stages", type=int, default=6)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--round-to", type=int, default=8)
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args(arguments)
    teacher = Candidate.of(*load_teacher(options.teacher))
    parent = RemoveStages(stages=options.stages).apply(teacher, StepContext(seed=0))
    layout = read_layout(parent.spec, (368, 656))
    specs = specs_of(parent, layout, options)
    found = measure(parent, specs, options)
    rows = rows_of(layout, specs, found, options.threads)
    disturbed = found[TEACHER].kept_disturbed
    print(f"{options.stages} stages, scale {options.scale:g}, {options.threads} threads, {RUNTIME}", end=", ")
    print(f"{options.rounds} rounds, {disturbed} of them disturbed")
    print("| network | MMACs | predicted ms | predicted speed-up | measured ms | measured speed-up (95%) |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        measured = f"{row.measured_speedup:.2f} ({row.measured_lo:.2f} to {row.measured_hi:.2f})"
        predicted = f"{row.predicted_ms:.1f} | {row.predicted_speedup:.2f}"
        print(f"| {name} | {row.macs / 1e6:.0f} | {predicted} | {row.measured_ms:.1f} | {measured} |")
    if options.out:
        conditions = {**vars(options), "out": None, "machine": platform.machine(), "disturbed_rounds": disturbed}
        content = {**conditions, "rows": {name: vars(row) for name, row in rows.items()}}
        write_text(options.out, json.dumps(content, indent=1) + "\n")
    return 0 if rows[CHOSEN].measured_speedup >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
