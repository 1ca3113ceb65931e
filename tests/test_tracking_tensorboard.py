"""`tracking: tensorboard`: what TensorBoard's own reader finds in the event files of two calls."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tracking_calls import tell

from compress.common.progress import Reporter
from compress.tracking.base import Files
from compress.tracking.session import open_tracking


def test_without_tensorboard_it_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    tell(tmp_path / "out", "tensorboard")
    (line,) = capsys.readouterr().err.splitlines()
    assert "tensorboard was lost at the start (tensorboard cannot be imported: pip install tensorboard" in line


def test_its_own_reader_finds_curves_columns_and_figures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "out"
    tell(out, "tensorboard")
    tell(out, "tensorboard")  # nothing new
    figure = out / "figures" / "pareto.png"
    figure.parent.mkdir()
    Image.fromarray(np.full((8, 12, 3), 200, np.uint8)).save(figure)
    with open_tracking(["tensorboard"], out, Reporter()) as found:
        found.point("training/a-1.5/steps.0", 3, {"loss": 0.5})
        found.files(Files("report", "report", "99cc", out, [figure]))
    read = EventAccumulator(str(out / "tracking" / "tensorboard"))
    read.Reload()
    curve = read.Scalars("training/a-1.5/steps.0/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.5), (2, 1.5), (3, 0.5)]
    (latency,) = read.Scalars("candidate/latency_ms/a-1.5")
    assert latency.value == 1.25 and "candidate/note/a-1.5" not in read.Tags()["scalars"]
    texts = {tag: read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert '"threads": 1' in texts["conditions/text_summary"]
    assert "| note | ap: off |" in texts["candidate/a-1.5/text_summary"]
    assert "| ap |  |" in texts["candidate/a-1.5/text_summary"]
    (image,) = read.Images("report/pareto")
    assert (image.height, image.width) == (8, 12)
