"""What many tests share: the real teacher, real frames, and a tiny network that runs in milliseconds."""

from pathlib import Path
from typing import TYPE_CHECKING

import affinity  # noqa: F401  (before numpy and torch count the cores)
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eval.frames import draw_sample, open_source
from teachers.assets import locate
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.registry import load_teacher
from teachers.skeleton import COCO_18
from teachers.spec import BackboneSpec, Conv, InputSpec, Layer, MaxPool, PoseNetSpec, SeparableConv, StageSpec, Tap

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from compress_tiny_run import TinyRun

    from compress.report.document import Document

DEAREST = (
    "side_assignment", "api_plugins", "kinematics_pipeline", "training_processes", "search_torchrun",
    "eval_kinematic_fidelity", "search_faults", "run_faults", "eval_runtimes", "cli_export", "training_loop",
    "steps_architectures", "cli_kinematics", "cli_teachers_import", "report_page_content", "report_html",
    "report_search", "report_kinematics", "teacher_training", "docs",
)  # fmt: skip
"""Parts of the names of files that take 20 to 60 seconds of CPU each, mostly for few tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dearest files first: one that begins last would keep one process busy alone (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: next((n for n, part in enumerate(DEAREST) if part in item.path.name), len(DEAREST)))


TEACHER = "openpose-mobilenet-thin"
LICENCE = Licence(name="Apache-2.0", source="made up for a test")


@pytest.fixture(scope="session")
def graph_file() -> Path:
    """The published frozen graph."""
    return locate(TEACHER)


@pytest.fixture(scope="session")
def teacher() -> PoseNet:
    return load_teacher(TEACHER)[0]


@pytest.fixture(scope="session")
def sample_images() -> list[NDArray[np.uint8]]:
    """Two real frames of the built-in sample video."""
    sample = draw_sample(open_source("sports2d-demo"), images=2, seed=0)
    return [frame.image for frame in sample.frames()]


def tiny_spec(stages: int = 3) -> PoseNetSpec:
    """Every layer kind, a tap that is pooled, stride 8, a few thousand parameters."""
    layers: tuple[Layer, ...] = (
        Conv(channels=4, stride=2, pad=(0, 1)),
        MaxPool(),
        SeparableConv(channels=6),
        SeparableConv(channels=8, stride=2, pad=(0, 1)),
    )

    def branch(head: int) -> tuple[Layer, ...]:
        return (Conv(channels=8), Conv(channels=head, kernel=1, pad=(0, 0), relu=False))

    stage = StageSpec(paf=branch(COCO_18.paf_channels), heatmap=branch(COCO_18.heatmap_channels))
    return PoseNetSpec(
        skeleton=COCO_18,
        stride=8,
        input=InputSpec(scale=1 / 256, offset=-0.5),
        backbone=BackboneSpec(name="tiny", layers=layers, taps=(Tap(layer=2, pool=2), Tap(layer=3))),
        stages=(stage,) * stages,
    )


@pytest.fixture
def tiny() -> PoseNet:
    """A network with fixed random weights."""
    torch.manual_seed(0)
    return PoseNet(tiny_spec()).eval()


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of reports are one pixel each: for tests of something else, as drawing takes longer than a tiny run."""
    from compress.report import write

    _, pixel = cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))

    def blank(text: "Document") -> "Iterator[tuple[str, bytes]]":
        for picture in text.pictures():
            names = [picture.name, f"{picture.name}-narrow"][: 1 + picture.has_narrow]
            yield from ((name, pixel.tobytes()) for name in names)

    monkeypatch.setattr(write, "_pictures", blank)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> "TinyRun":
    """A finished `compress run` of the tiny network. To be copied, not written to."""
    from compress_tiny_run import make_tiny_run

    return make_tiny_run(tmp_path_factory.mktemp("tiny-run"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> "Generator[None, pytest.TestReport, pytest.TestReport]":
    """Names that are no UTF-8 stand in the log of some tests, and xdist cannot send them on."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report
