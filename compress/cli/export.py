"""compress export MODEL --to NAME [--out FILE]"""

import argparse
from pathlib import Path
from typing import get_args

from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ConversionError, Exporter, Precision, Wanted
from compress.export.onnx_export import save_artefact
from compress.export.parity import LIMITS, ParityError
from compress.export.shipping import Shipped, parity_image, ship
from compress.quantization.qdq_graph import quantized_graph
from compress.run.builder import largest_difference
from compress.run.load_candidate import saved_candidate
from eval.maps import prepare
from teachers.common.errors import UserError
from teachers.common.files import replacing
from teachers.zoo import nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", metavar="MODEL", help="a teacher's name or a model's folder")
    parser.add_argument("--to", metavar="NAME", required=True, help=f"one of {', '.join(EXPORTERS)}")
    parser.add_argument("--out", metavar="FILE", type=Path, help="(default: the model's name with the format's suffix)")
    parser.add_argument("--height", type=int, default=368, help="of the input, where the format has a fixed one")
    parser.add_argument("--width", type=int, default=656, help="as --height (default: 368 x 656)")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="of the stored weights")


def call(options: argparse.Namespace) -> int:
    """0 if the artefact was written, 1 if it is not the network; UserError for what cannot work."""
    reporter = Reporter()
    exporter = find_exporter(options.to)
    if Path(options.model).suffix == ".onnx":
        raise UserError(f"{options.model}: is an artefact already; give the folder that it lies in, with the weights")
    with reporter.download(f"model {options.model}") as on_bytes:
        candidate = saved_candidate(options.model, on_bytes)
    network, licence = candidate.network, candidate.licence
    out = options.out or Path(f"{Path(options.model).resolve().name}{exporter.suffix}")
    if candidate.quantization is not None:
        return _export_quantized(candidate, exporter, out, options)
    wanted = Wanted((options.height, options.width), options.precision, licence)
    image = parity_image()
    try:
        shipped = reporter.wait(f"converting to {exporter.name}", lambda: ship(network, exporter, out, wanted, image))
    except (ParityError, ConversionError) as error:
        reporter.warn(str(error))
        return 1
    _tell(shipped, exporter, wanted)
    return 0


def _export_quantized(candidate: Candidate, exporter: Exporter, out: Path, options: argparse.Namespace) -> int:
    """Its numbers are in ONNX alone, in the precision that it was made for."""
    assert candidate.quantization is not None
    precision = candidate.quantization.precision
    if exporter.suffix != ".onnx":
        raise UserError(
            f"--to {exporter.name}: {options.model} computes in {precision}, which is written as onnx alone; "
            "ONNX Runtime and OpenVINO read that"
        )
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an artefact for {exporter.name} ends with .onnx")
    pixels = prepare(parity_image().pixels, 0.5, candidate.spec.stride)
    try:
        with replacing(out) as temporary:
            graph = quantized_graph(candidate.network, candidate.quantization)
            save_artefact(graph, candidate.network, candidate.licence, temporary)
            apart = largest_difference(candidate, temporary, [pixels])
    except ParityError as error:
        Reporter().warn(f"{error}; nothing was written")
        return 1
    print(f"{out}: {exporter.name} {precision}, input of any size, {out.stat().st_size:,} bytes in all")
    print(f"licence of its weights: {candidate.licence.name}")
    print(f"maps: at most {apart:.2g} from those of the network on its grids")
    return 0


def find_exporter(name: str) -> Exporter:
    """The converter of this name. UserError with the nearest name."""
    if name not in EXPORTERS:
        raise UserError(
            f"--to {name}: no such format{nearest(name, list(EXPORTERS))}; there are {', '.join(EXPORTERS)}"
        )
    return EXPORTERS[name]


def _tell(shipped: Shipped, exporter: Exporter, wanted: Wanted) -> None:
    size = f"{wanted.input_hw[0]}x{wanted.input_hw[1]} alone" if exporter.fixed_size else "any size"
    total = sum(one.stat().st_size for path in shipped.files for one in ([path] if path.is_file() else path.rglob("*")))
    print(f"{shipped.path}: {exporter.name} {wanted.precision}, input of {size}, {total:,} bytes in all")
    print(f"licence of its weights: {wanted.licence.name}")
    parity, limits = shipped.parity, LIMITS[wanted.precision]
    if parity is None:
        print("NOT compared with the network: no runtime here loads this format; compare it on a device before use")
        return
    print(
        f"maps on {parity.image}: at most {parity.max_abs:.2g} from the network's, of {limits.map_error:g} of the peak"
    )
    print(
        f"keypoints: {parity.keypoints} compared, {parity.keypoints_lost} lost or displaced by over "
        f"{limits.shift_px:g} pixels, the largest shift {parity.largest_shift_px:.2g}"
    )
