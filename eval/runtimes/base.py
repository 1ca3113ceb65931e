"""The contract of a runtime: is it here, load an artefact, run it."""

import importlib.util
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eval.runtimes.facts import ArtefactFacts
from teachers.common.errors import UserError
from teachers.common.install import install_command

Array = NDArray[np.float32]


class Runs(Protocol):
    """Whatever gives the maps of an image."""

    def run(self, image: Array) -> tuple[Array, Array]:
        """(1, 3, H, W) raw pixels 0..255 -> heatmaps (1, K+1, h, w) and PAFs (1, 2L, h, w)."""


class Session(Runs, Protocol):
    """A loaded artefact."""

    def outputs(self, image: Array, names: Sequence[str]) -> list[Array]:
        """The named outputs alone, in this order, for artefacts that have more than one pair of maps."""

    def metadata(self) -> dict[str, str]:
        """What the artefact says about itself: `spec` and `licence` as JSON where we made it."""


class Runtime(Protocol):
    """A way to run artefacts."""

    name: str
    suffixes: tuple[str, ...]
    """How the files that it loads are called; the first is its own."""

    @property
    def version(self) -> str:
        """Of the package that runs them. UserError if it is not installed."""

    def missing(self) -> str | None:
        """None if it is installed here, else which extra installs it."""

    def start(self) -> None:
        """Imports what `load` needs, so that whatever is measured from then on is the artefact's own."""

    def load(self, artefact: Path, threads: int) -> Session:
        """UserError if the runtime is not installed, or the artefact is missing, damaged or of a newer format."""


class MapsSession:
    """A session of a runtime whose artefacts have one pair of maps, and their facts beside them."""

    def __init__(self, artefact: Path, facts: ArtefactFacts, run: Callable[[Array], tuple[Array, Array]]) -> None:
        self._artefact, self._facts, self._run = artefact, facts, run

    def run(self, image: Array) -> tuple[Array, Array]:
        """See `Session`. UserError for another size than the artefact was made for."""
        made_for, given = self._facts.input_hw, (image.shape[2], image.shape[3])
        if made_for is not None and given != made_for:
            raise UserError(
                f"{self._artefact}: was exported for an input of {made_for[0]}x{made_for[1]}, got {given[0]}x{given[1]}"
            )
        return self._run(image)

    def outputs(self, image: Array, names: Sequence[str]) -> list[Array]:
        """See `Session`."""
        found = dict(zip(("heatmaps", "pafs"), self.run(image), strict=True))
        return [found[name] for name in names]

    def metadata(self) -> dict[str, str]:
        """See `Session`."""
        return {"spec": self._facts.spec, "licence": self._facts.licence}


def missing_extra(name: str, extra: str | None, modules: Sequence[str]) -> str | None:
    """None if the modules can be imported, else the hint which extra installs them; without one it is a dependency."""
    absent = [module for module in modules if not _is_there(module)]
    if not absent:
        return None
    command = f"pip install {absent[0]}" if extra is None else install_command(extra)
    return f"{name} is not installed here (no module {', '.join(absent)}): {command}"


def require(hint: str | None) -> None:
    """UserError with the hint, if there is one."""
    if hint is not None:
        raise UserError(hint)


def version_of(package: str) -> str:
    """The installed version of a package. UserError if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise UserError(f"{package} is not installed here") from error


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
