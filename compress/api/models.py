"""compress.load: a teacher, a candidate or an artefact, ready to be run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from compress.common.environment import session_threads
from compress.common.progress import Reporter
from compress.run.builder import computing
from compress.run.load_candidate import saved_candidate
from compress.run.model_lookup import Model, open_model
from eval.runtimes import Session
from teachers.common.errors import UserError
from teachers.licence import Licence
from teachers.spec import PoseNetSpec


@dataclass(frozen=True)
class LoadedModel:
    """A network with its spec, as a torch module and as a session of ONNX Runtime."""

    name: str
    """What the user called it."""
    model: Model

    @property
    def spec(self) -> PoseNetSpec:
        """Everything needed to rebuild the network without its weights: layers, stride, skeleton, input convention."""
        return self.model.spec

    @property
    def licence(self) -> Licence:
        """Of the weights."""
        return self.model.licence

    @property
    def session(self) -> Session:
        """`run(image)`: (1, 3, H, W) float32 raw pixels -> heatmaps (1, K+1, h, w), PAFs (1, 2L, h, w)."""
        return self.model.session

    @cached_property
    def network(self) -> torch.nn.Module:
        """The torch module; an int8 candidate rounds as its artefact does. Loaded when it is asked for.

        `network(images)` takes (N, 3, H, W) raw pixels and gives `Maps(heatmaps, pafs)`. Raises UserError for an
        `.onnx` file: it holds no weights that torch reads, its candidate's folder does.
        """
        if self.model.kind == "onnx":
            raise UserError(f"{self.name}: an artefact alone has no torch module; load the folder that it lies in")
        return computing(saved_candidate(self.name))


def load(model: str | Path, *, threads: int | None = None) -> LoadedModel:
    """The model that a teacher's name, a candidate's folder or an .onnx file of ours stands for.

    threads: of the session; all cores if left out. Raises UserError with the nearest names for a name that is none.

    >>> teacher = compress.load("openpose-mobilenet-thin")
    >>> len(teacher.spec.stages)
    6
    """
    name = str(model)
    count = session_threads(threads, "threads")
    with Reporter().download(f"model {name}") as on_bytes:
        return LoadedModel(name, open_model(name, count, on_bytes))
