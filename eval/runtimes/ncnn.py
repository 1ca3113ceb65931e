"""ncnn on the CPU. An artefact is two files, NAME.ncnn.param and NAME.ncnn.bin."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.runtimes.base import Array, MapsSession, missing_extra, require, version_of
from eval.runtimes.facts import read_facts
from teachers.common.errors import UserError

_REDUCED = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_vulkan_compute")
"""What ncnn may do to precision by itself, on CPUs that offer it; parity was proved without."""


class Ncnn:
    """ncnn, computing in float32."""

    name = "ncnn"
    suffixes: tuple[str, ...] = (".ncnn.param",)

    @property
    def version(self) -> str:
        """Of the ncnn package."""
        return version_of("ncnn")

    def missing(self) -> str | None:
        """See `Runtime`."""
        return missing_extra("ncnn", "ncnn", ["ncnn"])

    def start(self) -> None:
        """See `Runtime`."""
        require(self.missing())
        import ncnn  # noqa: F401, PLC0415

    def load(self, artefact: Path, threads: int) -> MapsSession:
        """See `Runtime`."""
        require(self.missing())
        import ncnn  # noqa: PLC0415

        facts = read_facts(artefact)
        net = ncnn.Net()
        net.opt.num_threads = threads
        for option in _REDUCED:
            setattr(net.opt, option, False)
        if net.load_param(str(artefact)) or net.load_model(str(artefact.with_suffix(".bin"))):
            raise UserError(f"{artefact}: not a whole model that ncnn can run")
        return MapsSession(artefact, facts, _runner(net, ncnn.Mat))


def _runner(net: Any, mat: Any) -> Any:
    def run(image: Array) -> tuple[Array, Array]:
        with net.create_extractor() as extractor:
            # A copy of ours: the extractor keeps no hold on the array's memory, and freeing it in between is a crash.
            extractor.input("in0", mat(np.ascontiguousarray(image[0])).clone())
            heatmaps, pafs = (np.array(extractor.extract(name)[1]) for name in ("out0", "out1"))
        return heatmaps[None], pafs[None]

    return run
