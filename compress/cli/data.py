"""compress data list | pull NAME --out DIR | frames VIDEO... --out DIR"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.cli.paths import a_path
from compress.common.formatting import columns
from compress.common.progress import Reporter
from eval.data_sets import DATA_SETS, at_mirror, pull
from eval.frame_selection import Counts, Selection, choose
from eval.video import read_video
from teachers.common.errors import UserError
from teachers.common.files import write_bytes
from teachers.resumed_download import OnBytes
from teachers.zoo import nearest

_QUALITY = 95
_USUAL = Selection()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the data sets that can be pulled, their sizes and terms")
    take = actions.add_parser("pull", help="download a data set; a call that was stopped is gone on with")
    take.add_argument("name", metavar="NAME", help=f"one of {', '.join(DATA_SETS)}")
    take.add_argument("--out", metavar="DIR", required=True, type=a_path, help="the folder that becomes the data set")
    take.add_argument("--mirror", metavar="URL", help="where the same files lie, in place of the publisher's address")
    frames = actions.add_parser("frames", help="training frames of your own videos: sharp ones, none nearly another")
    frames.add_argument("videos", metavar="VIDEO", nargs="+", type=a_path, help="videos, or folders of them")
    frames.add_argument("--out", metavar="DIR", required=True, type=a_path, help="the folder of images, for a recipe")
    frames.add_argument(
        "--least-change",
        metavar="LEVELS",
        type=float,
        default=_USUAL.least_change,
        help=f"mean difference of grey levels of any two frames; lower: more (default {_USUAL.least_change:g})",
    )
    frames.add_argument(
        "--window",
        metavar="N",
        type=int,
        default=_USUAL.window,
        help=f"of so many frames in a row at most one, the sharpest (default {_USUAL.window})",
    )


def call(options: argparse.Namespace) -> int:
    """Lists, pulls, or chooses frames; 0 when it is done."""
    if options.action == "list":
        rows = [("name", "what", "download", "terms")]
        for one in DATA_SETS.values():
            rows.append((one.name, one.description, f"{(one.images.size + one.labels.size) / 1e9:.2f} GB", one.terms))
        print(columns(rows))
        return 0
    return _pull(options) if options.action == "pull" else _frames(options)


def _pull(options: argparse.Namespace) -> int:
    if options.name not in DATA_SETS:
        near = nearest(options.name, list(DATA_SETS))
        raise UserError(f"{options.name}: no such data set{near}; there are {', '.join(DATA_SETS)}")
    data = DATA_SETS[options.name]
    if options.mirror is not None:
        data = at_mirror(data, options.mirror)
    reporter = Reporter()
    with ExitStack() as stack:

        def begun(name: str) -> OnBytes:
            stack.close()
            return stack.enter_context(reporter.download(f"pulling {name}"))

        labels = pull(data, options.out, begun)
    print(f"{labels}: {data.description}; terms: {data.terms}")
    print(f"in a recipe: data: {{source: {labels}}}; {options.out / 'archives'} may be deleted")
    return 0


def _frames(options: argparse.Namespace) -> int:
    if not 0 <= options.least_change <= 255:
        raise UserError(f"--least-change: must lie between 0 and 255, got {options.least_change:g}")
    if not 1 <= options.window <= 100_000:
        raise UserError(f"--window: must lie between 1 and 100000, got {options.window}")
    how, reporter = Selection(options.least_change, options.window), Reporter()
    thumbs: list[NDArray[np.float32]] = []
    counts, videos = Counts(), list(_files(options.videos))
    read = 0
    for path in reporter.track(videos, "videos", len(videos)):
        try:
            with read_video(path) as video:
                for place, image in choose((timed.image for timed in video), how, counts, thumbs):
                    _write(options.out / f"{path.stem}_{place:06d}.jpg", image)
                read += 1
                for problem in video.problems:
                    reporter.warn(f"{path}: {problem}")
        except UserError as error:
            reporter.warn(f"{error}; left out")
    if not read:
        raise UserError("none of these files is a video that can be read")
    print(
        f"{options.out}: {counts.taken} frames of {read} videos with {counts.seen} frames; of every {how.window} the "
        f"sharpest was looked at: {counts.alike} were nearly one that was taken, {counts.blurred} were blurred"
    )
    return 0


def _files(given: Sequence[Path]) -> Iterator[Path]:
    """The videos in their order, folders by name; hidden files are left out."""
    for path in given:
        if path.is_dir():
            yield from sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        elif path.is_file():
            yield path
        else:
            raise UserError(f"{path}: there is no such file or folder")


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise UserError(f"{path}: OpenCV cannot encode the frame")
    write_bytes(path, encoded.tobytes())
