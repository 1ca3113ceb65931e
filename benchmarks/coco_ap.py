"""AP and AR of a network on the labelled people of a COCO keypoint file, with the protocol beside the numbers.

    python benchmarks/coco_ap.py person_keypoints_val2017.json [--model openpose-mobilenet-thin]
        [--scales 0.5,1,1.5,2] [--height 368] [--images 100] [--threads 2] [--out ap.json]

The network runs in ONNX Runtime, the way `compress kinematics` runs it. Numbers of other inputs, decoders or subsets
of the images do not compare; a published one is quoted with its own protocol or not at all.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from compress.common.progress import Reporter
from compress.run.model_lookup import Model, open_model
from eval.coco import KeypointAp, average_precision
from eval.coco_labels import CocoLabels, open_labels
from eval.frames import Unreadable
from eval.maps import BASE_HEIGHT
from eval.people import Person
from eval.pose import PoseEstimator
from teachers.common.errors import UserError
from teachers.common.files import write_text

COLUMNS = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_m": "AP_M", "ap_l": "AP_L", "ar": "AR"}
People = dict[int, list[Person]]


def scales(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def find_people(labels: CocoLabels, estimator: PoseEstimator, images: int) -> tuple[People, dict[str, Any]]:
    """The people of the first images of the file, by image id, and what is to be told about the pass."""
    ids = labels.image_ids()[:images]
    people: People = {}
    unreadable: list[str] = []
    network_s: list[float] = []
    decoding_s: list[float] = []
    for index, frame in Reporter().track(labels.source.read(range(len(ids))), "images", len(ids)):
        if isinstance(frame, Unreadable):
            unreadable.append(f"{frame.name}: {frame.reason}")
            continue
        estimate = estimator(frame.image)
        people[ids[index]] = estimate.people
        network_s.append(estimate.network_s)
        decoding_s.append(estimate.decoding_s)
    if not people:
        raise UserError(f"{labels.name}: none of {len(ids)} images could be read; the first: {unreadable[0]}")
    times = {
        "network_median_ms": statistics.median(network_s) * 1e3,
        "decoding_median_ms": statistics.median(decoding_s) * 1e3,
    }
    return people, {"unreadable": unreadable, **times}


def protocol(labels: CocoLabels, model: Model, estimator: PoseEstimator, given: argparse.Namespace) -> dict[str, Any]:
    """Everything that has to be known beside the numbers."""
    there = len(labels.ids)
    return {
        "labels": labels.name,
        "images": f"all {there}" if given.images >= there else f"the first {given.images} of {there}",
        "model": model.facts(),
        "scales": given.scales,
        "height": given.height,
        "input": f"height {given.height} x scale, width in proportion, padded to multiples of {model.spec.multiple}",
        "decoder": {"name": "eval.people", **asdict(estimator.settings)},
        "score": "confidences of keypoints and limbs, summed, over the number of keypoints",
        "evaluator": f"pycocotools {version('pycocotools')}, keypoints, 17 of them (neck dropped)",
    }


def table(found: KeypointAp, facts: dict[str, Any]) -> str:
    values = (getattr(found, name) for name in COLUMNS)
    return "\n".join(
        (
            f"{facts['model']['name']} on {facts['labels']}, {facts['images']} images: "
            f"{found.labelled_people} labelled people, {found.detections} detections",
            f"{facts['input']}; scales {', '.join(f'{scale:g}' for scale in facts['scales'])}",
            f"decoder {facts['decoder']}",
            f"score: {facts['score']}; {facts['evaluator']}",
            f"network {facts['network_median_ms']:.0f} ms, decoding {facts['decoding_median_ms']:.1f} ms an image "
            f"(medians, {facts['model']['runtime']})",
            "",
            f"| {' | '.join(COLUMNS.values())} |\n|{'---|' * len(COLUMNS)}",
            f"| {' | '.join('' if value is None else f'{value:.4f}' for value in values)} |",
            *([found.note] if found.note else []),
            *(f"left out: {one}" for one in facts["unreadable"]),
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="AP and AR of a network against a COCO keypoint file.")
    parser.add_argument("labels", type=Path, metavar="FILE", help="a COCO keypoint file, its images beside it")
    parser.add_argument("--model", default="openpose-mobilenet-thin", help="a teacher's name, a folder or an .onnx")
    parser.add_argument("--scales", type=scales, default=(1.0,), help="with commas between")
    parser.add_argument("--height", type=int, default=BASE_HEIGHT, help="of the network input at scale 1")
    parser.add_argument("--images", type=int, default=sys.maxsize, help="the first so many of the file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers and the protocol")
    given = parser.parse_args(arguments)
    if given.images < 1 or given.height < 1 or given.threads < 1:
        parser.error("--images, --height and --threads must be 1 or more")
    try:
        labels = open_labels(given.labels)
        model = open_model(given.model, given.threads)
        # Several scales meet on the grid of height 368, whatever --height is: eval.maps averages there.
        estimator = PoseEstimator(
            model.session, model.spec, [scale * given.height / BASE_HEIGHT for scale in given.scales]
        )
        people, told = find_people(labels, estimator, given.images)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    found = average_precision(labels, people, model.spec.skeleton)
    facts = {**protocol(labels, model, estimator, given), **told}
    print(table(found, facts))
    if given.out:
        write_text(given.out, json.dumps({**asdict(found), "protocol": facts}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
