"""What an export leaves."""

from dataclasses import dataclass
from pathlib import Path

from compress.core.candidate import Candidate
from compress.export.exporters.base import Precision
from compress.export.parity import Parity
from teachers.licence import Licence


@dataclass(frozen=True)
class Exported:
    """An artefact on disk, and how it compares with its network."""

    path: Path
    files: tuple[Path, ...]
    runtime: str
    precision: Precision
    input_hw: tuple[int, int] | None
    """The only size it takes; None where it takes any."""
    licence: Licence
    parity: Parity | None
    """None where no runtime on this system loads the format."""
    candidate: Candidate
    """What was exported."""
    model: str
    """How it was named: a teacher, or a folder."""
