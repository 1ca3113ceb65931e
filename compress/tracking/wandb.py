"""wandb: Weights & Biases; imported here only, and only when a run asks for it. Without an account it works offline.

Its files stay below OUT/tracking/wandb. It never asks anything: online only where a key is at hand.
"""

import json
import netrc
import os
import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from compress.common.values import Value
from compress.tracking.base import Files, TrackerOffError, TrackerPlace
from teachers.common.errors import UserError
from teachers.common.files import write_text

_RUN_ID, _ROWS = "run-id.txt", "candidates.json"
_PROJECT = "compress"
_INIT_S, _FINISH_S = 30.0, 300.0
_FOLDERS = ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
"""What it otherwise keeps in the home folder."""


class WandbTracker:
    """One wandb run, of one id through all calls on the same folder; runs of one run folder are one group."""

    def __init__(self, place: TrackerPlace) -> None:
        """UserError where wandb is not installed, TrackerOffError where the user has switched it off."""
        self._place = place
        self._hooks = (sys.exit, sys.excepthook)
        self._borrowed = _borrow_environment(place.folder)
        self._wandb = _import()
        try:
            _refuse_switched_off(self._wandb)
        except TrackerOffError:
            self._give_back()
            raise
        self._offline = _offline(self._wandb)
        self._run = self._begin()
        self._service = _service_pid(self._wandb)
        self._rows: dict[str, dict[str, Value]] = {}
        with suppress(OSError, ValueError):
            self._rows = json.loads((place.folder / _ROWS).read_text(encoding="utf-8"))
        self._rows_changed = False
        self._series: set[str] = set()

    def config(self, values: Mapping[str, Any]) -> None:
        self._run.config.update(dict(values), allow_val_change=True)

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        """Numbers as metrics `candidate/NAME/COLUMN`, and the whole row in the table `candidates`."""
        self._run.log(
            {f"candidate/{name}/{key}": value for key, value in row.items() if isinstance(value, int | float)}
        )
        self._rows[name], self._rows_changed = dict(row), True

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        if series not in self._series:
            # An axis of its own: wandb's one step could neither count several trainings nor go back.
            escaped = series.replace(".", r"\.")
            self._run.define_metric(f"{escaped}/*", step_metric=f"{escaped}/step")
            self._series.add(series)
        self._run.log({f"{series}/step": step} | {f"{series}/{name}": value for name, value in values.items()})

    def files(self, files: Files) -> None:
        """The report, and models on the front: these are what people take, and all of them may be gigabytes."""
        if files.kind == "model" and not files.on_front:
            return
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{self._place.run}-{files.name}")[:120]
        artifact = self._wandb.Artifact(name, files.kind, metadata={**files.facts, "id": files.id})
        for path in files.paths:
            # Models are not copied before they are sent; a report may be drawn again, so what was told is copied.
            policy = "immutable" if files.kind == "model" else "mutable"
            artifact.add_file(str(path), name=path.relative_to(files.root).as_posix(), policy=policy)
        self._run.log_artifact(artifact)

    def finish(self, ok: bool) -> None:
        try:
            if self._rows_changed:
                self._log_table()
            folder = Path(self._run.dir).parent
            self._run.finish(exit_code=0 if ok else 1)
            self._wandb.teardown()
        finally:
            self._give_back()
        if self._offline:
            self._place.reporter.say(f"tracking: wandb was offline; `wandb sync {_short(folder)}` sends the run")

    def abandon(self) -> None:
        if self._service is not None:
            # Asked to end, a service that hangs would be waited for when the program ends.
            with suppress(OSError):
                os.kill(self._service, 9)
        try:
            self._wandb.teardown()
        finally:
            self._give_back()

    def _begin(self) -> Any:
        if self._offline:
            return self._init("offline")
        try:
            return self._init("online")
        except self._wandb.Error as error:  # no network, or a key that is refused
            reason = next(iter(str(error).splitlines()), "")
            self._place.reporter.warn(f"tracking: wandb cannot be reached ({reason}); this call's part is kept offline")
            self._offline = True
            self._wandb.teardown()  # its service takes the run for begun
            return self._init("offline")

    def _init(self, mode: str) -> Any:
        settings = self._wandb.Settings(
            # Our output is ours, our machine is described in the config, and nothing runs beside what is being timed.
            console="off", silent=True, x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
            x_save_requirements=False, disable_git=True, disable_code=True,
            init_timeout=_INIT_S, finish_timeout=_FINISH_S, finish_timeout_raises=True,
            x_transaction_log_flush_interval=1.0,
        )  # fmt: skip
        place = self._place
        return self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            id=_run_id(place.folder),
            name=os.environ.get("WANDB_NAME", place.run),
            group=os.environ.get("WANDB_RUN_GROUP", place.group),
            resume="allow",
            mode=mode,
            dir=str(place.folder),
            settings=settings,
        )

    def _log_table(self) -> None:
        columns = list(dict.fromkeys(column for row in self._rows.values() for column in row))
        data = [[row.get(column) for column in columns] for row in self._rows.values()]
        self._run.log({"candidates": self._wandb.Table(columns=columns, data=data, allow_mixed_types=True)})
        write_text(self._place.folder / _ROWS, json.dumps(self._rows))

    def _give_back(self) -> None:
        """wandb puts its own functions in the place of these two and leaves them there."""
        sys.exit, sys.excepthook = self._hooks
        for name in self._borrowed:
            os.environ.pop(name, None)


def _import() -> ModuleType:
    try:
        import wandb  # noqa: PLC0415 # takes a second, and few runs need it
    except ImportError as error:
        raise UserError(f"wandb cannot be imported: pip install wandb ({error})") from error
    return wandb


def _borrow_environment(folder: Path) -> list[str]:
    """Sets what wandb reads from the environment alone, as far as the user has not; returns what was set."""
    wanted = {name: str(folder.resolve() / name.split("_")[1].lower()) for name in _FOLDERS}
    wanted |= {"WANDB_ERROR_REPORTING": "false"}
    borrowed = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in borrowed})
    return borrowed


def _refuse_switched_off(wandb: ModuleType) -> None:
    """TrackerOffError after `wandb disabled`, and under the variables that say the same."""
    if os.environ.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes", "on"):
        raise TrackerOffError("WANDB_DISABLED is set, so wandb is told nothing")
    if _mode(wandb) == "disabled":
        raise TrackerOffError("wandb is switched off (WANDB_MODE or `wandb disabled`), so it is told nothing")


def _mode(wandb: ModuleType) -> str:
    """Of the environment, or of the settings file that `wandb offline` and `wandb disabled` write."""
    return str(os.environ.get("WANDB_MODE") or wandb.setup().settings.mode or "online")


def _offline(wandb: ModuleType) -> bool:
    """Without a key, wandb would ask for one."""
    if _mode(wandb) in ("offline", "dryrun"):
        return True
    settings = wandb.setup().settings
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or settings.api_key:
        return False
    host = urlparse(settings.base_url).hostname or ""
    for path in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):  # where `wandb login` leaves it
        with suppress(OSError, RuntimeError, netrc.NetrcParseError):
            if path and netrc.netrc(str(Path(path).expanduser())).authenticators(host):
                return False
    return True


def _run_id(folder: Path) -> str:
    """Drawn once; with it a later call goes on with the same run."""
    path = folder / _RUN_ID
    if not path.exists():
        write_text(path, secrets.token_hex(8) + "\n")
    return path.read_text(encoding="utf-8").strip()


def _service_pid(wandb: ModuleType) -> int | None:
    """The process that writes and uploads; None where wandb keeps it elsewhere than in the versions known."""
    try:
        return int(wandb.setup()._connection._proc._process.pid)
    except (AttributeError, TypeError):
        return None


def _short(path: Path) -> str:
    return os.path.relpath(path)
