"""The learning-rate range test: a curve with a known best rate, an early end, and the command on a tiny recipe."""

import csv
import math
from pathlib import Path

import pytest
from compress_tiny_run import make_photos
from conftest import LICENCE
from training_jobs import one_thread
from training_runs import RECIPE
from training_targets import tiny_teacher

from compress.cli.main import run_command
from compress.training.lr_range import range_test, rates
from teachers.checkpoint import save_model


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_lowest_loss() -> None:
    wanted = rates(1e-6, 1.0, 200)
    assert (
        wanted[0] == 1e-6
        and wanted[-1] == pytest.approx(1.0)
        and wanted[100] / wanted[99] == pytest.approx(wanted[1] / wanted[0])
    )
    # A valley: the loss falls to 1e-2, then climbs.
    curve = range_test(wanted, (1 + abs(math.log10(rate) + 2) ** 2 for rate in wanted))
    assert curve.suggested is not None and 0.5e-3 < curve.suggested < 5e-3 and not curve.diverged
    falling = range_test(wanted, (1 / (1 + number) for number in range(200)))
    assert falling.suggested is None


@pytest.mark.parametrize("ruined", [math.nan, math.inf, 1e9])
def test_it_ends_where_nothing_is_learnt_any_more(ruined: float) -> None:
    asked: list[int] = []

    def losses() -> object:
        for number in range(50):
            asked.append(number)
            yield 1.0 if number < 20 else ruined

    curve = range_test(rates(1e-4, 1, 50), losses())  # type: ignore[arg-type]
    assert curve.diverged and 20 <= len(curve.points) <= 21 and len(asked) == 21


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    one_thread(monkeypatch)
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))
    save_model(tmp_path / "model", tiny_teacher(), LICENCE)
    path = tmp_path / "learn.yaml"
    path.write_text(RECIPE.format(teacher=tmp_path / "model", source=make_photos(tmp_path / "photos", 4)))
    return path


def test_the_command_leaves_a_table_and_a_picture(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["lr-find", str(recipe), "--out", str(out), "--low", "1e-4", "--high", "10", "--steps", "12"]
    assert run_command(words) == 0
    assert "lowest loss" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "learning_rates.csv").open()))
    found = [float(row["learning_rate"]) for row in rows]
    assert 2 <= len(rows) <= 12 and found == sorted(found) and all(float(row["loss"]) > 0 for row in rows)
    assert (out / "learning_rates.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in out.iterdir()} == {"learning_rates.csv", "learning_rates.png"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--low", "1", "--high", "0.1"], "the lowest must be above 0 and below the highest"),
        (["--candidate", "learn"], "did you mean learnt"),
        (["--set", "candidates.0.steps.1={step: fit_heads}"], "trains no candidate"),
    ],
)
def test_bad_input_is_told(recipe: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert run_command(["lr-find", str(recipe), *words]) == 2
    assert said in capsys.readouterr().err
