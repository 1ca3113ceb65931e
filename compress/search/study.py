"""The study in Optuna's terms. Everything that is decided is decided from `entries`, which need no Optuna."""

import errno
import itertools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from compress.recipe.search_plan import SamplerPlan
from compress.recipe.search_space import Choose, Options, Parameter, Scalar
from compress.search.history import Notes, State, TrialEntry, notes_from
from compress.search.optuna_storage import open_storage
from compress.search.seeded_sampler import BEAT, STATES, SeededSampler, entry_of
from compress.search.storage_url import beats_itself, hidden, without_secrets
from teachers.common.errors import UserError
from teachers.common.install import install_command

_RECIPE = "recipe"


@dataclass(frozen=True)
class StudyPlan:
    """Which study, and what it is about."""

    url: str
    name: str
    recipe: str
    """The canonical text of the search's recipe: another one's study is refused."""
    objectives: tuple[str, ...]
    smaller: tuple[bool, ...]
    sampler: SamplerPlan
    heartbeat_s: int = 60
    """How often a running trial says that it is alive; after twice as long it is taken for dead."""
    own_file: Path | None = None
    """The study's file, where it lies in the run folder and every worker with it."""


class TrialTakenError(Exception):
    """This process was taken for dead while it worked on a trial: the trial was ended, and another one takes it up."""


class SearchStudy:
    """One study in its storage, as one process sees it."""

    def __init__(self, plan: StudyPlan) -> None:
        """UserError if the storage cannot be reached, or holds another recipe's study under that name."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._plan = plan
        self.own = plan.own_file is not None
        with self.speaking():
            self._study = self._open()
            self._study.set_metric_names(list(plan.objectives))

    def _open(self) -> Study:
        plan = self._plan
        storage = open_storage(plan.url, plan.own_file, plan.heartbeat_s)
        # A file of the folder's own holds one study, whatever the folder was called when it began.
        there = optuna.get_all_study_names(storage) if self.own else []
        study = optuna.create_study(
            storage=storage,
            study_name=there[0] if there else plan.name,
            directions=["minimize" if less else "maximize" for less in plan.smaller],
            sampler=SeededSampler(plan.sampler),
            load_if_exists=True,
        )
        theirs = study.user_attrs.get(_RECIPE)
        if theirs is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_RECIPE, plan.recipe)
        elif theirs != plan.recipe:
            raise UserError(
                f"{hidden(plan.url)}: holds a study {plan.name!r} of another recipe; give --out another folder, whose "
                "name is the study's, or another --storage"
            )
        return study

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turns a database's message into one line without the password.

        TrialTakenError where a trial was ended already.
        """
        try:
            yield
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise TrialTakenError(str(error)) from error
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            # Optuna wraps what SQLAlchemy raised, SQLAlchemy what the driver did.
            origin = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None)
            self._refuse_full_disk(origin)
            first = next(iter(str(origin or error).splitlines()), "")
            raise UserError(
                f"--storage {hidden(self._plan.url)}: {without_secrets(first, self._plan.url)}"
            ) from None  # what lies beneath may hold the password
        except (ImportError, ValueError) as error:
            if isinstance(error, ImportError):
                raise UserError(
                    f"--storage {hidden(self._plan.url)}: its driver is missing: {install_command('postgres')}"
                ) from None
            raise

    def _refuse_full_disk(self, error: object) -> None:
        """A study in a file ends like any other file that cannot be written."""
        if str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")):
            path = str(self._plan.own_file or self._plan.url.partition("///")[2])
            raise OSError(errno.ENOSPC, f"the study cannot be written: {error}", path) from None

    def entries(self) -> list[TrialEntry]:
        """Every trial, by number."""
        with self.speaking():
            return [entry_of(trial) for trial in self._study.get_trials(deepcopy=False)]

    def enqueue(self, choices: Mapping[str, Scalar], notes: Notes) -> None:
        """A worker takes it before the sampler is asked."""
        with self.speaking():
            self._study.enqueue_trial(dict(choices), user_attrs=_attributes(notes))

    def take(self) -> "ActiveTrial":
        """The next waiting trial, or a new one."""
        with self.speaking():
            return ActiveTrial(self, self._study.ask())

    def fail(self, number: int, error: str | None) -> None:
        """Ends a running trial of a process that died; without an error it may be retried."""
        trial = self._trial(number)
        # Suppressed where another process was quicker.
        with self.speaking(), suppress(optuna.exceptions.UpdateFinishedTrialError):
            if error is not None:
                self.storage.set_trial_user_attr(trial._trial_id, "error", error)
            self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def fail_stale(self) -> None:
        """Ends trials whose heartbeat stopped, where the storage tells by its own clock."""
        if self.beats_itself:
            with self.speaking():
                optuna.storages.fail_stale_trials(self._study)

    @property
    def beats_itself(self) -> bool:
        """Whether the storage tells by its own clock which workers are alive."""
        return beats_itself(self._plan.url)

    @property
    def heartbeat_s(self) -> int:
        """How often a running trial says that it is alive."""
        return self._plan.heartbeat_s

    @property
    def storage(self) -> BaseStorage:
        return self._study._storage

    @property
    def study(self) -> Study:
        return self._study

    def _trial(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def constant(self, name: str, value: float) -> float:
        """A number that all of the study's processes go by: the first that was given under this name."""
        with self.speaking():
            known = self._study.user_attrs.get(name)
            if known is None:
                self._study.set_user_attr(name, value)
            return value if known is None else float(known)

    def importance(self) -> dict[str, dict[str, float]]:
        """Objective -> varied choice -> share, by conditional PED-ANOVA; ValueError where nothing can be said."""
        found = {}
        for place, name in enumerate(self._plan.objectives):
            sign = 1.0 if self._plan.smaller[place] else -1.0
            shares = optuna.importance.get_param_importances(
                self._study,
                target=lambda trial, at=place, sign=sign: sign * trial.values[at],  # type: ignore[misc]
            )
            found[name] = {choice: float(share) for choice, share in shares.items()}
        return found

    def next_choices(self, walk: Callable[[Choose], object], count: int) -> list[dict[str, Scalar]]:
        """What the sampler would try next: asked of a copy, so that the study is as it was."""
        there = [trial for trial in self._study.get_trials() if trial.state.is_finished()]
        replica = optuna.create_study(directions=self._study.directions, sampler=SeededSampler(self._plan.sampler))
        replica.add_trials(there)
        found: list[dict[str, Scalar]] = []
        for _ in range(count):
            trial = replica.ask()
            walk(lambda choice, trial=trial: _suggested(trial, choice))  # type: ignore[misc]
            found.append(dict(trial.params))
        return found


class ActiveTrial:
    """A trial that this process works on."""

    def __init__(self, study: SearchStudy, trial: Trial) -> None:
        self._study, self._trial = study, trial
        self.number = trial.number
        self.notes = notes_from(trial.user_attrs)

    def choose(self, choice: Parameter) -> Scalar:
        """What was enqueued, or else what the sampler proposes."""
        with self._study.speaking():
            return _suggested(self._trial, choice)

    @property
    def choices(self) -> dict[str, Scalar]:
        """Those that were made."""
        return dict(self._trial.params)

    def note(self, notes: Notes) -> None:
        """Adds what is new in these notes."""
        before = _attributes(self.notes)
        with self._study.speaking():
            for name, value in _attributes(notes).items():
                if before.get(name) != value:
                    self._trial.set_user_attr(name, value)
        self.notes = notes

    def recipe(self, text: str) -> None:
        """Keeps the trial's recipe in the study too, where a dashboard shows it."""
        with self._study.speaking():
            self._trial.set_user_attr(_RECIPE, text)

    def tell(self, state: State, values: Sequence[float] | None, constraints: Mapping[str, float]) -> None:
        """Ends the trial; a constraint above zero is missed."""
        known = {said: ours for ours, said in STATES.items()}
        with self._study.speaking():
            for name, value in constraints.items():
                self._trial.set_constraint(name, value)
            self._study.study.tell(self._trial, values, known[state], skip_if_finished=True)

    def require_ours(self) -> None:
        """TrialTakenError if the trial was ended while this process slept; to be asked before files are replaced."""
        with self._study.speaking():
            state = self._study.storage.get_trial(self._trial._trial_id).state
        if state.is_finished():
            raise TrialTakenError(f"trial {self.number} is {STATES[state]}")

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Says so to the storage until the block ends: by its own clock where it has one, else by counting up."""
        storage, identity = self._study.storage, self._trial._trial_id
        ended = threading.Event()

        def beat() -> None:
            for count in itertools.count(1):
                # The trial's own calls will find out; a beat that is missed does no harm yet.
                with suppress(sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, OSError):
                    if self._study.beats_itself and isinstance(storage, BaseHeartbeat):
                        storage.record_heartbeat(identity)
                    else:
                        storage.set_trial_user_attr(identity, BEAT, count)
                if ended.wait(self._study.heartbeat_s):
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _attributes(notes: Notes) -> dict[str, Any]:
    """Only what differs from an empty note, so that a dashboard shows what matters."""
    return {name: value for name, value in asdict(notes).items() if value != getattr(Notes(), name)}


def _suggested(trial: Trial, choice: Parameter) -> Scalar:
    if isinstance(choice, Options):
        return trial.suggest_categorical(choice.name, list(choice.labels))
    if choice.whole:
        low, high = int(choice.low), int(choice.high)
        return trial.suggest_int(choice.name, low, high, step=int(choice.step or 1), log=choice.log)
    value = trial.suggest_float(choice.name, choice.low, choice.high, step=choice.step, log=choice.log)
    return float(f"{value:.12g}")  # 0.1 + 2 * 0.1 is 0.30000000000000004
