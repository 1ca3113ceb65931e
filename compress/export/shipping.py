"""A network -> an artefact of another format, proved equal to it, with what is known of it beside it."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.core.candidate import content_id
from compress.export.exporters.base import Exporter, ExportRequest
from compress.export.parity import LIMITS, Expected, Parity, ParityError, prove
from eval.frames import open_source
from eval.runtimes import RUNTIMES
from eval.runtimes.facts import ArtefactFacts, facts_file, write_facts
from teachers.assets import is_here
from teachers.common.errors import UserError
from teachers.common.files import replacing
from teachers.posenet import PoseNet

SAMPLE = "sports2d-demo"
_SAMPLE_FRAME = 75
"""Two people, whole, also at half the usual size."""
_PAD = 128
_SMALL = (8, 10)
"""Cells of the second size at which an artefact that takes any is compared."""


@dataclass(frozen=True)
class Image:
    """What artefacts are compared on."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) BGR."""
    source: str


@dataclass(frozen=True)
class Shipped:
    """An artefact on disk."""

    path: Path
    files: tuple[Path, ...]
    parity: Parity | None
    """None where no runtime on this system loads the format."""


def parity_image() -> Image:
    """A frame of the built-in sample if it is here, else random pixels: nothing is pulled for a comparison."""
    if is_here(SAMPLE):
        _, frame = next(iter(open_source(SAMPLE).read([_SAMPLE_FRAME])))
        pixels = getattr(frame, "image", None)
        if pixels is not None:
            return Image(pixels, SAMPLE)
    return Image(np.random.default_rng(0).integers(0, 256, (368, 656, 3), np.uint8), "random pixels")


def ship(network: PoseNet, exporter: Exporter, path: Path, request: ExportRequest, image: Image) -> Shipped:
    """Converts, proves, then puts the files at `path`: nothing is left there of an artefact that is not the network.

    UserError for what is not installed, not possible, or has the wrong size; ParityError says by how much it is off.
    """
    _refuse(network, exporter, path, request)
    with tempfile.TemporaryDirectory(prefix="compress-export-") as folder:
        temporary = Path(folder) / path.name
        names = exporter.convert(network, temporary, request)
        parity = None
        if exporter.runtime is not None:
            if exporter.suffix != ".onnx":
                write_facts(temporary, _facts(network, exporter, request, {}), names)
            session = RUNTIMES[exporter.runtime].load(temporary, threads=1)
            try:
                inputs = _inputs(network, exporter, request, image)
                expected = Expected(network, request.int8)
                parity = prove(expected, session, inputs, image.source, LIMITS[request.precision])
            except ParityError as error:
                raise ParityError(f"{path.name}: {error}; nothing was written") from error
        facts = {"reason": "no runtime here loads this format"} if parity is None else parity.facts()
        if exporter.suffix != ".onnx":  # which has room for them inside
            write_facts(temporary, _facts(network, exporter, request, facts), names)
            names = [*names, facts_file(temporary).name]
        # The facts name the hash of every file and come last: a copy that was cut short is not taken for whole.
        facts_file(path).unlink(missing_ok=True)
        files = tuple(_put(temporary.with_name(name), path.with_name(name)) for name in names)
    return Shipped(path, files, parity)


def _refuse(network: PoseNet, exporter: Exporter, path: Path, request: ExportRequest) -> None:
    hint = exporter.missing()
    if hint is not None:
        raise UserError(hint)
    if request.precision not in exporter.precisions:
        precisions = " or ".join(exporter.precisions)
        raise UserError(f"{exporter.name}: is written in {precisions}, not in {request.precision}")
    last = f".{exporter.suffix.rpartition('.')[2]}"
    if path.suffix != last:
        raise UserError(f"{path}: the name of an artefact for {exporter.name} ends with {last}")
    multiple = network.spec.multiple
    for side, name in zip(request.input_hw, ("height", "width"), strict=True):
        if side < 2 * multiple or side % multiple:
            near = max(2, round(side / multiple)) * multiple
            raise UserError(
                f"{name}: must be a multiple of {multiple} from {2 * multiple} on, got {side}; {near} would do"
            )


def _facts(network: PoseNet, exporter: Exporter, request: ExportRequest, parity: dict[str, Any]) -> ArtefactFacts:
    return ArtefactFacts(
        exporter=exporter.name,
        exporter_version=exporter.version,
        precision=request.precision,
        input_hw=request.input_hw if exporter.fixed_size else None,
        network=content_id(network, request.quantization),
        spec=network.spec.to_json(),
        licence=request.licence.model_dump_json(),
        parity=parity,
    )


def _inputs(
    network: PoseNet, exporter: Exporter, request: ExportRequest, image: Image
) -> Sequence[NDArray[np.float32]]:
    small = (_SMALL[0] * network.spec.multiple, _SMALL[1] * network.spec.multiple)
    sizes = [request.input_hw] if exporter.fixed_size else [request.input_hw, small]
    pixels = image.pixels if network.spec.input.channels == "bgr" else image.pixels[..., ::-1]
    return [_fitted(np.ascontiguousarray(pixels), size) for size in sizes]


def _fitted(pixels: NDArray[np.uint8], input_hw: tuple[int, int]) -> NDArray[np.float32]:
    """The whole image in the upper left of an input of this size, (1, 3, H, W)."""
    factor = min(input_hw[0] / pixels.shape[0], input_hw[1] / pixels.shape[1])
    height, width = (
        max(1, min(round(side * factor), most)) for side, most in zip(pixels.shape, input_hw, strict=False)
    )
    padded = np.full((*input_hw, 3), _PAD, np.uint8)
    padded[:height, :width] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)


def _put(source: Path, target: Path) -> Path:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        return target
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target
