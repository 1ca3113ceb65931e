"""The log `compress`: what library code tells, what a display and a file make of it."""

import logging
from pathlib import Path

import pytest

from compress.cli.main import run_command
from compress.common.display import Shown, currently_shown, show_progress, shown
from compress.common.progress import LOGGER, Progress, Reporter
from teachers.common.errors import UserError


def test_a_library_prints_nothing_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.say("a line")
    assert list(reporter.track(range(3), "work", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_what_is_told_reaches_any_handler(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "compress"):
        Reporter().warn("look here")
        list(Reporter().track(range(2), "work", 2, detail=lambda: "loss 1"))
    assert ("compress", logging.WARNING, "look here") in caplog.record_tuples
    steps = [record.progress for record in caplog.records if hasattr(record, "progress")]
    assert [(step.done, step.line, step.ended) for step in steps] == [
        (0, True, False),
        (1, False, False),
        (2, True, False),
        (2, False, True),
    ]
    assert all(isinstance(step, Progress) and step.detail == "loss 1" for step in steps)


def test_quiet_reporters_tell_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Reporter(quiet=True).warn("unheard")
    assert not caplog.records


def test_a_display_shows_lines_from_its_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(Shown("warning")):
        Reporter().say("a line")
        Reporter().warn("a warning")
        list(Reporter().track(range(2), "work", 2))
        assert currently_shown() == Shown("warning")
    assert capsys.readouterr().err == "warning: a warning\n"
    assert currently_shown() is None


def test_bars_are_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with shown():
        list(Reporter().track(range(3), "work", 5, done=2))
        with Reporter().download("a file") as on_bytes:
            on_bytes(5, 10)
        assert Reporter().wait("thinking", lambda: 7) == 7
    assert capsys.readouterr().err == "work: 2 of 5\nwork: 5 of 5\na file\nthinking\n"


def test_a_log_file_has_time_level_and_process(tmp_path: Path) -> None:
    file = tmp_path / "new" / "log.txt"
    with shown(Shown("info", file)):
        Reporter().say("a line")
    with shown(Shown("info", file)):
        Reporter().warn("another")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 4)[2::2] for line in lines] == [["INFO", "a line"], ["WARNING", "another"]]
    assert not [handler for handler in LOGGER.handlers if isinstance(handler, logging.FileHandler)]


def test_the_command_line_logs_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, log = tmp_path / "none.yaml", tmp_path / "log.txt"
    assert run_command(["check", str(recipe), "--log-file", str(log)]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert "ERROR" in log.read_text(encoding="utf-8")


def test_a_log_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", "x.yaml", "--log-file", str(tmp_path)]) == 2
    assert f"compress: {tmp_path}: the log cannot be written there" in capsys.readouterr().err


def test_show_progress_is_attached_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = LOGGER.level
    try:
        show_progress()
        show_progress("warning")
        Reporter().say("a line")
        Reporter().warn("once")
        assert capsys.readouterr().err == "warning: once\n"
        with pytest.raises(UserError, match="level: must be one of"):
            show_progress("loud")
    finally:
        for handler in [one for one in LOGGER.handlers if type(one).__name__ == "Display"]:
            LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
