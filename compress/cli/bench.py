"""compress bench ARTEFACT... [--out FILE]"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from compress.bench import standalone
from compress.cli.paths import a_path
from compress.export.onnx_export import metadata_of, read_graph_file
from eval import artefact_identity, energy_counters, onnx_session, silent_imports
from eval.inference import INFERENCE, read_inference
from teachers.common.errors import UserError
from teachers.common.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes: what the single file takes, and how to get at that."""
    standalone.add_arguments(parser)
    # Left out, so that the size that artefacts were measured at can take their place.
    parser.set_defaults(height=None, width=None)
    parser.add_argument(
        "--script",
        metavar="FILE",
        type=a_path,
        help="write the single file that does this without us, to copy to a phone",
    )


def call(options: argparse.Namespace) -> int:
    """Times the artefacts, or writes the file that does."""
    if options.script is not None:
        write_text(options.script, script_text())
        print(f"{options.script}: needs Python 3.9, numpy and a runtime; python {options.script.name} ARTEFACT...")
        return 0
    window = _window(options.artefacts) if options.height is None and options.width is None else None
    if window is not None:
        print(
            f"input: a window of {window[0]}x{window[1]}, as the artefacts were measured; "
            "--height and --width change it"
        )
    height, width = window or standalone.INPUT_HW
    options.height = height if options.height is None else options.height
    options.width = width if options.width is None else options.width
    try:
        return standalone.bench(options)
    except standalone.WrongUseError as error:
        raise UserError(str(error)) from error


def _window(artefacts: Sequence[str]) -> tuple[int, int] | None:
    """The window that all of them were measured with; None where one has none, or another, or says nothing of it."""
    found = set()
    for artefact in map(Path, artefacts):
        if artefact.suffix != ".onnx" or not artefact.is_file():
            return None
        try:
            said = metadata_of(read_graph_file(artefact)).get(INFERENCE)
        except UserError:
            return None  # timing it will tell what is wrong with it
        inference = read_inference(said, str(artefact))
        found.add(None if inference is None or inference.roi is None else inference.roi.size)
    return found.pop() if len(found) == 1 else None


def script_text() -> str:
    """The single file: standalone, with each module of ours that it imports written out where it is imported."""
    alone = _text_of(standalone)
    for module in (artefact_identity, energy_counters, onnx_session, silent_imports):
        (line,) = (line for line in alone.splitlines(keepends=True) if line.startswith(f"from {module.__name__} "))
        # It has to be the first statement of a file.
        alone = alone.replace(line, _text_of(module).replace("from __future__ import annotations\n", ""))
    return alone


def _text_of(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")
