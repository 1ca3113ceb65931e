"""ONNX Runtime without its graph optimizations: what they are worth, as a runtime beside the usual one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[np.float32]


class PlainSession:
    """A loaded artefact."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def run(self, image: Array) -> tuple[Array, Array]:
        """(1, 3, H, W) raw pixels -> heatmaps and PAFs."""
        heatmaps, pafs = self.outputs(image, ("heatmaps", "pafs"))
        return heatmaps, pafs

    def outputs(self, image: Array, names: Sequence[str]) -> list[Array]:
        """The named outputs alone."""
        found: list[Array] = self._session.run(list(names), {"image": image})
        return found

    def metadata(self) -> dict[str, str]:
        """What the artefact says about itself."""
        told: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return told


class PlainRuntime:
    """Loads the same artefacts as onnxruntime."""

    name = "onnxruntime-plain"
    suffixes = (".onnx",)
    version = onnxruntime.__version__

    def missing(self) -> str | None:
        """None: it is imported above."""
        return None

    def start(self) -> None:
        """Nothing is left to import."""

    def load(self, artefact: Path, threads: int) -> PlainSession:
        """The artefact as it was exported."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return PlainSession(onnxruntime.InferenceSession(str(artefact), options, providers=["CPUExecutionProvider"]))


PLAIN = PlainRuntime()
