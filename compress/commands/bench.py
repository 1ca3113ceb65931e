"""compress bench ARTEFACT... [--out FILE]"""

import argparse
from pathlib import Path

from compress import bench_alone
from teachers.errors import UserError
from teachers.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes: what the single file takes, and how to get at that."""
    bench_alone.add_arguments(parser)
    parser.add_argument(
        "--script",
        metavar="FILE",
        type=Path,
        help="write the single file that does this without us, to copy to a phone",
    )


def call(options: argparse.Namespace) -> int:
    """Times the artefacts, or writes the file that does."""
    if options.script is not None:
        write_text(options.script, Path(bench_alone.__file__).read_text(encoding="utf-8"))
        print(f"{options.script}: needs Python 3.9, numpy and a runtime; python {options.script.name} ARTEFACT...")
        return 0
    try:
        return bench_alone.bench(options)
    except bench_alone.WrongUseError as error:
        raise UserError(str(error)) from error
