"""`tracking: wandb` without an account: what it leaves offline, and what happens when its service dies or hangs."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from compress_tiny_run import NAMES, TinyRun, keep_export, rows
from tracking_calls import no_account, run, tell
from tracking_wandb_file import history
from tracking_wandb_file import records as wandb_records

from compress.tracking import thread as lane
from compress.tracking import wandb as door
from compress.tracking.base import Files


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return no_account(monkeypatch, tmp_path)


def test_wandb_that_is_not_installed_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    tell(tmp_path / "out", "wandb")
    (line,) = capsys.readouterr().err.splitlines()
    assert "wandb was lost at the start (wandb cannot be imported: pip install wandb" in line


def run_files(out: Path) -> list[Path]:
    return sorted((out / "tracking/wandb/wandb").glob("offline-run-*/*.wandb"))


def test_wandb_keeps_a_run_offline_whose_history_can_be_read_back(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    keep_export(monkeypatch, tiny_run)
    out = tmp_path / "out"
    assert run(tiny_run, out, "wandb") == 0
    assert "wandb sync" in capsys.readouterr().err
    (file,) = run_files(out)
    told = {name: value for row in history(file) for name, value in row.items() if name.startswith("candidate/")}
    assert {name.split("/")[1] for name in told} == set(NAMES)
    for row in rows(out):
        # Six digits are written; and JSON knows no difference between 0 and 0.0.
        assert told[f"candidate/{row['name']}/joint_rel_l2"] == pytest.approx(float(row["joint_rel_l2"]), rel=1e-5)
        assert told[f"candidate/{row['name']}/params"] == int(row["params"])
    found = wandb_records(file)
    begun = next(record.run for record in found if record.WhichOneof("record_type") == "run")
    assert (begun.project, begun.run_group, begun.display_name) == ("compress", "out", "out")
    config = {item.key or "/".join(item.nested_key): item.value_json for r in found for item in r.config.update}
    assert str(tiny_run.photos) in config["recipe"] and "conditions" in config
    artefacts = {r.artifact.name: r.artifact for r in found if r.WhichOneof("record_type") == "artifact"}
    if not artefacts:  # sent as requests
        artefacts = {a.name: a for r in found if (a := r.request.log_artifact.artifact).name}
    front = {row["name"] for row in rows(out) if row["on_front"] == "true"} - {"teacher"}
    assert {name for name in artefacts if name.startswith("out-")} == {f"out-{name}" for name in front | {"report"}}
    # Again: the same run goes on, and what it was told is not told again.
    time.sleep(1.1)  # wandb names its folders by the second
    assert run(tiny_run, out, "wandb") == 0
    first, second = run_files(out)
    assert first.name == second.name and not [row for row in history(second) if row]


def test_wandbs_service_killed_in_the_middle_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    out, point, services = tmp_path / "out", door.WandbTracker.point, []

    def killing(self: door.WandbTracker, series: str, step: int, values: Any) -> None:
        point(self, series, step, values)
        if step == 1 and not services:
            assert self._service is not None
            services.append(self._service)
            os.kill(self._service, signal.SIGKILL)
            time.sleep(0.3)

    monkeypatch.setattr(door.WandbTracker, "point", killing)
    before = (sys.exit, sys.excepthook)
    tell(out, "wandb")
    assert services and (sys.exit, sys.excepthook) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert "wandb was lost at point (Connection" in line
    time.sleep(1.1)
    tell(out, "wandb")
    keys = (out / "tracking/wandb/logged.txt").read_text().splitlines()
    assert len(keys) == len(set(keys)) == 6
    last = {name: value for row in history(run_files(out)[-1]) for name, value in row.items()}
    assert last["training/a-1.5/steps.0/step"] == 2 and last["training/a-1.5/steps.0/loss"] == 1.5
    assert last["candidate/a-1.5/latency_ms"] == 1.25


def test_wandbs_service_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    psutil, files, services = pytest.importorskip("psutil"), door.WandbTracker.files, []

    def stopping(self: door.WandbTracker, told: Files) -> None:
        files(self, told)
        if not services:
            assert self._service is not None
            services.append(psutil.Process(self._service))
            services[0].suspend()

    monkeypatch.setattr(door.WandbTracker, "files", stopping)
    monkeypatch.setattr(lane, "PATIENCE_S", 4.0)
    tell(tmp_path / "out", "wandb")
    assert "TimeoutError" in capsys.readouterr().err
    services[0].wait(5)


def test_wandb_goes_online_only_with_a_key(
    monkeypatch: pytest.MonkeyPatch, _no_account: Path, request: pytest.FixtureRequest
) -> None:
    wandb = pytest.importorskip("wandb")
    host = wandb.setup().settings.base_url.split("//")[1]
    request.addfinalizer(wandb.teardown)  # it reads its settings once
    assert door._offline(wandb)
    (_no_account / ".netrc").write_text(f"machine {host}\n  login user\n  password {'0' * 40}\n")
    (_no_account / ".netrc").chmod(0o600)
    assert not door._offline(wandb)
    monkeypatch.setenv("WANDB_MODE", "offline")
    request.addfinalizer(wandb.teardown)  # it reads its settings once
    assert door._offline(wandb)
    (_no_account / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert door._offline(wandb)
    monkeypatch.delenv("WANDB_MODE")
    assert not door._offline(wandb)


@pytest.mark.parametrize("switch", ["WANDB_MODE=disabled", "WANDB_DISABLED=true", "`wandb disabled`"])
def test_wandb_that_is_switched_off_writes_no_run_and_is_told_the_rest_later(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    switch: str,
) -> None:
    wandb = pytest.importorskip("wandb")
    wandb.teardown()
    request.addfinalizer(wandb.teardown)  # it reads its settings once
    monkeypatch.chdir(tmp_path)
    name, _, value = switch.partition("=")
    if value:
        monkeypatch.setenv(name, value)
    else:
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "settings").write_text("[default]\nmode = disabled\n")
    tell(tmp_path / "out", "wandb")
    said = capsys.readouterr().err
    assert "so wandb is told nothing" in said or "so it is told nothing" in said
    assert "lost" not in said and not list((tmp_path / "out").rglob("*wandb*"))
    monkeypatch.delenv(name, raising=False)
    (tmp_path / "wandb" / "settings").unlink(missing_ok=True)
    wandb.teardown()
    tell(tmp_path / "out", "wandb")
    assert len(run_files(tmp_path / "out")) == 1


def test_a_server_that_is_not_there_leaves_the_run_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb").teardown()  # it reads its settings once, and must not look for the real server
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(door, "_INIT_S", 2.0)
    tell(tmp_path / "out", "wandb")
    said = capsys.readouterr().err
    assert "wandb cannot be reached" in said and "was lost" not in said
    assert len(run_files(tmp_path / "out")) == 1
