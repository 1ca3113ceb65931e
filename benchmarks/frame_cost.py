"""What one frame of a video costs in parts, for a model that looks through windows: one person and two.

    python benchmarks/frame_cost.py [MODEL] [--roi 256x192] [--threads 1] [--frames 75] [--rounds 3] [--out cost.json]

Parts: decoding the video, cutting out windows, the network, decoding maps into people, and telling who is whom. One
and two people are followed in turn, round by round, so that other load meets both. The clip is the built-in sample.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from compress.common.environment import machine
from compress.run.model_lookup import Model, open_model
from eval.frame_people import Counts
from eval.frames import open_source
from eval.inference import Redetect, Roi, parse_size
from eval.roi_tracker import RoiTracker
from eval.video import read_video
from teachers.common.files import write_text

SAMPLE, FIRST = "sports2d-demo", 20
PEOPLE = (1, 2)


def one_round(model: Model, roi: Roi, frames: int) -> tuple[float, Counts]:
    """Seconds of decoding the video, and what the frames cost after that."""
    source = open_source(SAMPLE)
    tracker = RoiTracker(model.session, model.spec, roi)
    counts, decoding_s = Counts(), 0.0
    with read_video(source.path) as video:  # type: ignore[attr-defined]
        wanted = iter(video.pick(range(FIRST, FIRST + frames)))
        while True:
            start = time.perf_counter()
            frame = next(wanted, None)
            decoding_s += time.perf_counter() - start
            if frame is None:
                return decoding_s, counts
            counts = counts.plus(tracker(frame.image, frame.time_s))


def told(people: int, rounds: list[tuple[float, Counts]]) -> dict[str, object]:
    """Medians over the rounds, in milliseconds for each frame."""
    per_frame = [
        {
            "video": video_s,
            "windows": counts.parts.preparing_s,
            "network": counts.parts.network_s,
            "decoding": counts.parts.decoding_s,
            "tracking": counts.parts.tracking_s,
            "all": video_s + counts.parts.total_s,
        }
        for video_s, counts in rounds
    ]
    frames = rounds[0][1].frames
    medians = {key: 1e3 * statistics.median(one[key] for one in per_frame) / frames for key in per_frame[0]}
    network_ms = medians["network"] + medians["decoding"]
    counts = rounds[0][1]
    return {
        "people": people,
        "ms_per_frame": medians,
        "fps_network_and_decoding": 1e3 / network_ms,
        "fps_end_to_end": 1e3 / medians["all"],
        "windows": counts.windows,
        "full_frame_passes": counts.full_frame_passes,
        "frames": frames,
    }


def main() -> int:
    """Prints a table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="zoo/thin-3-int8/model.onnx")
    parser.add_argument("--roi", default="256x192")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = open_model(options.model, options.threads)
    size = parse_size(options.roi)
    rounds: dict[int, list[tuple[float, Counts]]] = {people: [] for people in PEOPLE}
    for _ in range(options.rounds):
        for people, done in rounds.items():
            roi = Roi(size=size, redetect=Redetect(scale=0.5, every_s=1.0), people=people)
            done.append(one_round(model, roi, options.frames))
    rows = [told(people, done) for people, done in rounds.items()]
    print(f"{options.model}, window {options.roi}, {options.threads} thread(s), {options.frames} frames of {SAMPLE}")
    for row in rows:
        parts = row["ms_per_frame"]
        assert isinstance(parts, dict)
        text = "  ".join(f"{name} {value:.2f}" for name, value in parts.items())
        print(f"{row['people']} followed: {text} ms a frame; {row['full_frame_passes']} full-frame passes")
        print(
            f"  {row['fps_network_and_decoding']:.0f} frames per second of network and decoding, "
            f"{row['fps_end_to_end']:.0f} end to end"
        )
    if options.out is not None:
        facts = {"machine": machine(), "threads": options.threads, "roi": list(size), "rows": rows}
        write_text(options.out, json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
