"""compress bench ARTEFACT... [--out FILE]"""

import argparse
from pathlib import Path

from compress.bench import standalone
from eval import energy_counters
from teachers.common.errors import UserError
from teachers.common.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes: what the single file takes, and how to get at that."""
    standalone.add_arguments(parser)
    parser.add_argument(
        "--script",
        metavar="FILE",
        type=Path,
        help="write the single file that does this without us, to copy to a phone",
    )


def call(options: argparse.Namespace) -> int:
    """Times the artefacts, or writes the file that does."""
    if options.script is not None:
        write_text(options.script, script_text())
        print(f"{options.script}: needs Python 3.9, numpy and a runtime; python {options.script.name} ARTEFACT...")
        return 0
    try:
        return standalone.bench(options)
    except standalone.WrongUseError as error:
        raise UserError(str(error)) from error


def script_text() -> str:
    """The single file: standalone with the one module of ours that it imports written out."""
    alone, counters = (
        Path(str(module.__file__)).read_text(encoding="utf-8") for module in (standalone, energy_counters)
    )
    (line,) = (line for line in alone.splitlines(keepends=True) if line.startswith("from eval."))
    # It has to be the first statement of a file.
    return alone.replace(line, counters.replace("from __future__ import annotations\n", ""))
