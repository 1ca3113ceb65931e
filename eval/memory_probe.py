"""The fresh process of eval.memory: loads an artefact, runs it a few times, prints its resident sizes as JSON."""

import json
import sys
from pathlib import Path

import numpy as np

from eval.process_memory import peak_bytes, resident_bytes
from eval.runtimes import RUNTIMES

_RUNS = 3
"""The second run can need more than the first: a runtime's arena grows by what the first has taught it."""


def main(arguments: list[str]) -> None:
    """ARTEFACT HEIGHT WIDTH RUNTIME THREADS"""
    artefact, height, width, name, threads = arguments
    runtime = RUNTIMES[name]
    runtime.start()
    before = resident_bytes()
    image = np.full((1, 3, int(height), int(width)), 128.0, dtype=np.float32)
    session = runtime.load(Path(artefact), int(threads))
    for _ in range(_RUNS):
        session.run(image)
    print(json.dumps({"peak_bytes": peak_bytes(), "before_load_bytes": before}))


if __name__ == "__main__":
    main(sys.argv[1:])
