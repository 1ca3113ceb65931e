"""ExecuTorch with XNNPACK. Its Python package hands out torch tensors, so torch is imported here, on first use."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

from eval.runtimes.base import Array, MapsSession, missing_extra, require, version_of
from eval.runtimes.facts import read_facts
from teachers.common.errors import UserError


class ExecuTorch:
    """ExecuTorch's own runtime on the CPU, one thread pool for all sessions of the process."""

    name = "executorch"
    suffixes: tuple[str, ...] = (".pte",)

    def __init__(self) -> None:
        self._live: WeakSet[MapsSession] = WeakSet()

    @property
    def version(self) -> str:
        """Of the executorch package."""
        return version_of("executorch")

    def missing(self) -> str | None:
        """See `Runtime`."""
        return missing_extra("ExecuTorch", "executorch", ["executorch.runtime"])

    def start(self) -> None:
        """See `Runtime`."""
        require(self.missing())
        import executorch.runtime  # noqa: F401, PLC0415

    def load(self, artefact: Path, threads: int) -> MapsSession:
        """See `Runtime`."""
        require(self.missing())
        import torch  # noqa: PLC0415
        from executorch.extension.pybindings import portable_lib  # noqa: PLC0415
        from executorch.runtime import Runtime  # noqa: PLC0415

        facts = read_facts(artefact)
        self._set_threads(portable_lib, threads)
        try:
            program = Runtime.get().load_program(artefact)
            method = program.load_method("forward")
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{artefact}: not a whole program that ExecuTorch can run: {error}") from error

        def run(image: Array) -> tuple[Array, Array]:
            heatmaps, pafs = method.execute([torch.from_numpy(image)])
            # Copies: the outputs lie in memory that the next run may write to.
            return np.array(heatmaps.numpy()), np.array(pafs.numpy())

        session = MapsSession(artefact, facts, run)
        self._live.add(session)
        return session

    def _set_threads(self, library: Any, threads: int) -> None:
        """The pool belongs to the process, and what is loaded holds on to it: a reset could then end in a crash."""
        there = library._threadpool_get_thread_count()
        if there == threads:
            return
        if self._live:
            raise UserError(
                f"ExecuTorch has one thread pool for all artefacts of a process: some are loaded with {there}, "
                f"others cannot be loaded with {threads}"
            )
        library._unsafe_reset_threadpool(threads)
