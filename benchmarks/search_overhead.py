"""Trials per hour of `compress search` beside a plain loop that rebuilds everything for each trial; the same trials.

    python benchmarks/search_overhead.py [--recipe recipes/search_stages.yaml] [--trials 12] [--loop 3] [--set ...]

The search runs first, alone, with one worker. Then the loop: each of the search's own trials as `compress run
TRIAL/recipe.yaml` in a process and a folder of its own, which loads the teacher, draws the frames, exports, proves,
measures and reports anew; `--loop` of them, evenly spread, stand for all. `framework` is the share of the search's time
in which no trial was being made or measured: asking and answering the study, choosing, locks.
Ends with 1 if the search is less than 5 times as fast or its framework takes more than 5%.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

LEAST_SPEED_UP = 5.0
MOST_OVERHEAD = 0.05
ROOT = Path(__file__).resolve().parents[1]


def timed(words: Sequence[str]) -> float:
    """Seconds of `compress WORDS...` as a user starts it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    start = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "compress", *words], check=True, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.monotonic() - start


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Trials per hour of a search beside a plain loop.")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "search_stages.yaml")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--loop", type=int, default=3, help="how many of the trials the loop repeats")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args(arguments)
    overrides = [word for override in options.set for word in ("--set", override)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "search"
        words = ["search", str(options.recipe), "--out", str(out), "--trials", str(options.trials), *overrides]
        whole_s = timed(words)
        trials = json.loads((out / "search.json").read_text())["trials"]
        done = [trial for trial in trials if trial["candidate"]]
        within_s = sum(trial["seconds"] for trial in trials)
        # From the first trial on: loading the program and the teacher is no part of what a trial costs.
        span_s = max(t["started_s"] + t["seconds"] for t in done) - min(t["started_s"] for t in done)
        chosen = [done[round(place * (len(done) - 1) / max(1, options.loop - 1))] for place in range(options.loop)]
        loop = [
            timed(["run", str(out / "trials" / t["candidate"] / "recipe.yaml"), "--out", str(Path(folder) / str(n))])
            for n, t in enumerate(chosen)
        ]
    ours, theirs = 3600 * len(trials) / whole_s, 3600 / statistics.mean(loop)
    framework = max(0.0, 1 - within_s / span_s)
    print(f"{len(trials)} trials of {options.recipe.name}, one worker; the loop repeated {len(loop)} of them")
    print("| | trials per hour | |\n|---|---|---|")
    print(f"| search | {ours:.0f} | {whole_s:.0f} s in all, the start and the report included |")
    print(f"| plain loop | {theirs:.0f} | {', '.join(f'{one:.0f}' for one in loop)} s a trial |")
    print(f"speed-up {ours / theirs:.1f}; framework {100 * framework:.1f}% of the time between first and last trial")
    return 0 if ours >= LEAST_SPEED_UP * theirs and framework <= MOST_OVERHEAD else 1


if __name__ == "__main__":
    sys.exit(main())
