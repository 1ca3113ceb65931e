"""The contract of a converter: a network in, the files of one target format out."""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor, nn

from compress.core.qparams import Quantization
from eval.inference import Inference
from teachers.licence import Licence
from teachers.posenet import PoseNet

Precision = Literal["fp32", "fp16", "int8"]
_TAIL = 600


@dataclass(frozen=True)
class ExportRequest:
    """What the artefact is to be."""

    input_hw: tuple[int, int]
    """The only size of a format with a fixed one; else the size at which the network is traced."""
    precision: Precision
    licence: Licence
    inference: Inference | None = None
    """How the network is run on a frame, for formats with room to say so."""
    quantization: Quantization | None = None
    """Of a network that computes in fewer bits: its own grids, which an int8 artefact has to carry."""
    int8: "Int8Maps | None" = None
    """What an int8 artefact is compared with; None: the network itself."""


@dataclass(frozen=True)
class Int8Maps:
    """An int8 network in torch, twice."""

    exact: nn.Module
    """In integers: what the artefact has to give."""
    in_float: nn.Module
    """The same numbers with sums in float, for a runtime that does not keep to integers may be as far off as this."""


class Exporter(Protocol):
    """A way to make an artefact of a network. The conversion may print; it is kept from the terminal."""

    name: str
    suffix: str
    """Of the artefact's main file, `.pte`."""
    runtime: str | None
    """Name of the runtime that loads it, None where none does on this system: then nothing can be proved of it."""
    fixed_size: bool
    """Whether the artefact takes one input size alone."""
    precisions: tuple[Precision, ...]

    @property
    def version(self) -> str:
        """Of the package that converts. UserError if it is not installed."""

    def missing(self) -> str | None:
        """None if conversion is possible here, else which extra installs it."""

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """Writes the artefact to `path` in an empty folder; the names of its files there, without their facts."""


class TwoOutputs(nn.Module):
    """A network whose maps are a plain pair, heatmaps first: some converters know no named tuples."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 3, H, W) -> heatmaps (1, K+1, h, w) and PAFs (1, 2L, h, w)."""
        maps = self.network(image)
        return maps.heatmaps, maps.pafs


class ConversionError(RuntimeError):
    """A converter failed; the message has the end of what it printed."""


@contextmanager
def kept_quiet(name: str) -> Iterator[None]:
    """Keeps what a converter prints, its child processes included, from the terminal; if it fails, the end is told."""
    kept = [os.dup(1), os.dup(2)]
    root = logging.getLogger()
    before = root.handlers[:]
    with tempfile.TemporaryFile() as said:
        try:
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
            yield
        except Exception as error:  # foreign code, which raises what it likes
            said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
            tail = " ".join(said.read().decode(errors="replace").split())
            raise ConversionError(f"{name}: {type(error).__name__}: {error}; it said: {tail or 'nothing'}") from error
        finally:
            for stream, old in zip((1, 2), kept, strict=True):
                os.dup2(old, stream)
                os.close(old)
            # Some packages set up a log of their own on import, which would then print ours a second time.
            root.handlers = [handler for handler in root.handlers if handler in before]
