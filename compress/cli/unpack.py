"""compress unpack FILE --out DIR"""

import argparse
import shlex
from pathlib import Path

from compress.cli.paths import a_path
from compress.export.inference_file import save_inference
from compress.packing.pack_file import unpack_any
from compress.quantization.quantization_file import save_quantization
from teachers.checkpoint import save_model
from teachers.common.errors import UserError
from teachers.importing import refuse_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", metavar="FILE", type=a_path, help="what `compress pack` wrote")
    parser.add_argument("--out", metavar="DIR", required=True, type=a_path, help="the folder that becomes the MODEL")


def call(options: argparse.Namespace) -> int:
    """0 once the folder is written; nothing is written of a file that is damaged."""
    refuse_folder(options.out)
    network, licence, quantization, inference = unpack_any(_read(options.file), str(options.file))
    save_quantization(options.out, quantization)
    save_inference(options.out, inference)
    save_model(options.out, network, licence)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{options.out}: {len(network.stages)} stages, {parameters:,} parameters; licence: {licence.name}")
    print(shlex.join(["compress", "predict", str(options.out), "IMAGE"]))
    return 0


def _read(path: Path) -> bytes:
    # A pipe or a device could give bytes without end, and has no size to hold them against.
    if not path.is_file():
        raise UserError(f"{path}: {'is no plain file' if path.exists() else 'there is no such file'}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
