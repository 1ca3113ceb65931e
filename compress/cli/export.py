"""compress export MODEL --to NAME [--out FILE]"""

import argparse
from typing import get_args

from compress.api.export import export
from compress.api.exported import Exported
from compress.api.model_card import write_card
from compress.cli.paths import a_path
from compress.common.progress import Reporter
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ConversionError, Precision
from compress.export.parity import LIMITS, ParityError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "model", metavar="MODEL", help="a teacher's or shipped model's name, a model's folder or an .onnx file of ours"
    )
    parser.add_argument("--to", metavar="NAME", required=True, help=f"one of {', '.join(EXPORTERS)}")
    parser.add_argument(
        "--out", metavar="FILE", type=a_path, help="(default: the model's name with the format's suffix)"
    )
    parser.add_argument("--height", type=int, default=368, help="of the input, where the format has a fixed one")
    parser.add_argument("--width", type=int, default=656, help="as --height (default: 368 x 656)")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="of the stored weights (default: the model's own)"
    )
    parser.add_argument("--card", action="store_true", help="write a model card, README.md, beside the artefact")


def call(options: argparse.Namespace) -> int:
    """0 if the artefact was written, 1 if it is not the network; UserError for what cannot work."""
    size = (options.height, options.width)
    try:
        found = export(options.model, options.to, out=options.out, input_hw=size, precision=options.precision)
    except ParityError as error:
        told = str(error)
        Reporter().warn(told if told.endswith("nothing was written") else f"{told}; nothing was written")
        return 1
    except ConversionError as error:
        Reporter().warn(str(error))
        return 1
    _tell(found)
    if options.card:
        print(f"model card: {write_card(found)}")
    return 0


def _tell(found: Exported) -> None:
    size = "any size" if found.input_hw is None else f"{found.input_hw[0]}x{found.input_hw[1]} alone"
    total = sum(one.stat().st_size for path in found.files for one in ([path] if path.is_file() else path.rglob("*")))
    print(f"{found.path}: {found.runtime} {found.precision}, input of {size}, {total:,} bytes in all")
    print(f"licence of its weights: {found.licence.name}")
    if found.parity is None:
        print("NOT compared with the network: no runtime here loads this format; compare it on a device before use")
        return
    parity, limits = found.parity, LIMITS[found.precision]
    if found.precision == "int8":
        print(f"maps on {parity.image}: relative L2 {parity.rel_l2:.2g} to the network in integers, where")
        print(f"  {limits.map_error:g} and twice what the same numbers give with sums in float are allowed")
    else:
        most = f"{limits.map_error:g} of the peak"
        print(f"maps on {parity.image}: at most {parity.max_abs:.2g} from the network's, of {most}")
    print(
        f"keypoints: {parity.keypoints} compared, {parity.keypoints_lost} lost or displaced by over "
        f"{limits.shift_px:g} pixels, the largest shift {parity.largest_shift_px:.2g}"
    )
