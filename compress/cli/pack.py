"""compress pack MODEL --out FILE [--half] [--report FILE] [--compare]"""

import argparse
import json
import lzma
import shlex
from pathlib import Path

from compress.cli.paths import a_path
from compress.common.formatting import columns
from compress.common.progress import Reporter
from compress.packing.pack_file import pack
from compress.packing.pack_sizes import size_stages, sizes_fact, table_rows
from compress.run.load_candidate import saved_candidate
from teachers.common.errors import UserError
from teachers.common.files import is_same_file, write_bytes, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "model", metavar="MODEL", help="a teacher's or shipped model's name, a model's folder or an .onnx file of ours"
    )
    parser.add_argument("--out", metavar="FILE", required=True, type=a_path, help="the packed file, e.g. thin.posepack")
    parser.add_argument(
        "--half", action="store_true", help="round the tensors that are still fp32 to fp16; else nothing is lost"
    )
    parser.add_argument("--report", metavar="FILE", type=a_path, help="also write the sizes as JSON")
    parser.add_argument("--compare", action="store_true", help="also give what xz reaches on the same weights; slow")


def call(options: argparse.Namespace) -> int:
    """0 once the file is written."""
    for path in (options.out, options.report):
        _require_file(path)
    if options.report is not None and options.report.absolute() == options.out.absolute():
        raise UserError("--report: must be another file than --out")
    if is_same_file(options.out, Path(options.model)):
        raise UserError(f"{options.out}: --out: is the model itself; another file would do")
    reporter = Reporter()
    with reporter.download(f"model {options.model}") as on_bytes:
        model = saved_candidate(options.model, on_bytes)
    network = model.network
    file = reporter.wait(
        f"packing {options.model}",
        lambda: pack(network, model.licence, options.half, model.quantization, model.inference),
    )
    write_bytes(options.out, file.data)
    print(columns(table_rows(size_stages(file))))
    if options.compare:
        raw = b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())
        size = len(reporter.wait("compressing with xz", lambda: lzma.compress(raw)))
        print(f"xz alone makes {size:,} bytes of the fp32 weights, {len(raw) / size:.2f} times smaller")
    if options.report is not None:
        write_text(options.report, json.dumps(sizes_fact(options.model, file), indent=1) + "\n")
    if options.half:
        print(
            f"rounded to fp16: {len(file.rounded)} tensors; the unpacked network is not quite the one that was packed"
        )
    print(f"{options.out}: a smaller download, the network runs no faster; it is a model again after")
    print(shlex.join(["compress", "unpack", str(options.out), "--out", "DIR"]))
    return 0


def _require_file(path: Path | None) -> None:
    if path is not None and path.is_dir():
        raise UserError(f"{path}: is a folder; a file is needed")
