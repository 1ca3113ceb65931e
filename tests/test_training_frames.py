"""The frames that training sees: `start`, `stop` and `stride` are those of a Python slice."""

from pathlib import Path

import pytest
from compress_tiny_run import make_photos
from pydantic import ValidationError
from training_targets import tiny_targets

from compress.common.display import shown
from compress.training.frames import DataPart, TrainingPlan, open_training
from teachers.common.errors import UserError

FRAMES = 7


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames") / "photos"
    make_photos(folder, FRAMES)
    return folder


def names(folder: Path, **part: int) -> list[str]:
    plan = TrainingPlan(data=(DataPart(source=str(folder), **part),), val_frames=1)  # type: ignore[arg-type]
    found = open_training(plan, seed=0)
    return sorted(frame.name for frame in (*found.train, *found.held_out))


@pytest.mark.parametrize("start", [0, 1, 4])
@pytest.mark.parametrize("stop", [None, 5, FRAMES, FRAMES + 1, 100])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_part_is_a_slice_of_the_source(photos: Path, start: int, stop: int | None, stride: int) -> None:
    every = names(photos)
    wanted = every[start:stop:stride]
    part = {"start": start, "stride": stride} | ({} if stop is None else {"stop": stop})
    if len(wanted) < 2:
        with pytest.raises(UserError, match="too few"):
            names(photos, **part)
    else:
        assert names(photos, **part) == wanted


def test_a_slice_that_is_empty_is_refused() -> None:
    with pytest.raises(ValidationError, match="stop must be more than start, 3, got 3"):
        DataPart(source="photos", start=3, stop=3)
    with pytest.raises(ValidationError, match="stride"):
        DataPart(source="photos", stride=0)


def test_fewer_held_out_frames_than_asked_for_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with shown():
        found = tiny_targets(tmp_path, photos=5, val_frames=4).frames
        said = capsys.readouterr().err
        assert len(found.held_out) == 2 and "4 asked for, 2 of 5 frames are held out, half of them; 8 frames" in said
        assert len(tiny_targets(tmp_path, val_frames=2).frames.held_out) == 2
    assert "asked for" not in capsys.readouterr().err
