"""compress predict MODEL IMAGE... [--out DIR] [--scales S... | --roi HxW] [--maps]"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.api.predict import frames_of
from compress.cli.inference_options import add_inference, inference_of
from compress.cli.paths import a_path
from compress.common.environment import session_threads
from compress.common.progress import Reporter
from compress.kinematics.output_folder import make_folder
from compress.run.model_lookup import open_model
from eval.frame_finder import frame_finder, people_of_still
from eval.frame_people import FramePeople
from eval.frames import Unreadable
from eval.inference import Inference
from eval.overlay import DrawnPerson, draw_people
from eval.people_json import write_people
from eval.roi_maps import lay_back
from teachers.common.errors import UserError
from teachers.common.files import replacing, short_name, write_bytes
from teachers.skeleton import Skeleton
from teachers.spec import PoseNetSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "model", metavar="MODEL", help="a teacher's or shipped model's name, a model's folder or an .onnx file of ours"
    )
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="an image, a folder of images, or a video or built-in sample, of which the first frame is taken",
    )
    parser.add_argument("--out", metavar="DIR", type=a_path, default=Path("predict"), help="(default: predict/)")
    add_inference(parser)
    parser.add_argument("--maps", action="store_true", help="also write heatmaps and PAFs as .npz")
    parser.add_argument("--threads", type=int, help="of the network (default: all cores)")


def call(options: argparse.Namespace) -> int:
    """0 if every image was read, 1 if some could not be; UserError if none could."""
    reporter = Reporter()
    threads = session_threads(options.threads)
    with reporter.download(f"model {options.model}") as on_bytes:
        model = open_model(options.model, threads, on_bytes)
    inference = inference_of(options, model)
    finder = frame_finder(model.session, model.spec, inference)
    make_folder(options.out)
    failed: list[str] = []
    written: set[str] = set()
    for frame in frames_of(options.images):
        if isinstance(frame, Unreadable):
            failed.append(f"{frame.name}: {frame.reason}")
            reporter.warn(failed[-1])
            continue
        try:
            found = people_of_still(finder, frame.image)
        except UserError as error:
            failed.append(f"{frame.name}: {error}")
            reporter.warn(failed[-1])
            continue
        name = _free_name(frame.name, written)
        _write(options.out / name, frame.image, found, model.spec.skeleton)
        if options.maps:
            _write_maps(options.out / f"{name}_maps.npz", found, frame.image, inference, model.spec)
        people = "1 person" if len(found.people) == 1 else f"{len(found.people)} people"
        times = f"network {found.parts.network_s * 1e3:.1f} ms, decoding {found.parts.decoding_s * 1e3:.1f} ms"
        print(f"{options.out / name}: {people}; {times}")
    if not written:
        raise UserError(f"none of the images could be read: {'; '.join(failed)}")
    return 1 if failed else 0


def _free_name(name: str, taken: set[str]) -> str:
    """A file name that no image of this call has yet: x, then x_2, x_3."""
    base = short_name(name.replace("/", "_"))
    free, number = base, 1
    while free in taken:
        number += 1
        free = f"{base}_{number}"
    taken.add(free)
    return free


def _write(path: Path, image: NDArray[np.uint8], found: FramePeople, skeleton: Skeleton) -> None:
    write_people(path.with_name(f"{path.name}_keypoints.json"), found.people)
    drawn = [
        DrawnPerson(number, person.keypoints.astype(np.float64), {})
        for number, person in enumerate(found.people, start=1)
    ]
    done, data = cv2.imencode(".png", draw_people(image, drawn, skeleton))
    assert done, "a picture that was decoded can be encoded"
    write_bytes(path.with_name(f"{path.name}_overlay.png"), data.tobytes())


def _write_maps(
    path: Path, found: FramePeople, image: NDArray[np.uint8], inference: Inference, spec: PoseNetSpec
) -> None:
    """Of windows, their maps laid back into the frame on the grid of scale 1."""
    if inference.roi is None:
        assert found.full_frame is not None, "without windows it is the whole frame"
        heatmaps, pafs = found.full_frame.heatmaps, found.full_frame.pafs
    else:
        channels = spec.skeleton.heatmap_channels, spec.skeleton.paf_channels
        maps = lay_back(found.looks, (image.shape[0], image.shape[1]), channels, spec.stride)[0]
        heatmaps, pafs = maps[: channels[0]], maps[channels[0] :]
    scales = inference.scales or (1.0,)
    with replacing(path) as temporary:
        np.savez(temporary, heatmaps=heatmaps, pafs=pafs, scales=np.asarray(scales, np.float64))
