"""A search as facts: which candidates rank, what happened trial by trial, what mattered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compress.common.formatting import counted, listed
from compress.report.explorer import RANKED, ExplorerPoint, Kind, Standing, point_of
from compress.results.columns import number
from compress.results.goals import Goal, judge, parse_goals
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.records import Record
from compress.results.search_facts import Growth, SearchFacts, State, TrialFacts
from compress.results.step_text import choices_text
from compress.results.tables import teacher_first


@dataclass(frozen=True)
class Moment:
    """One trial in the history of an objective."""

    trial: int
    value: float
    kind: Kind
    best: float | None
    """Of all that ranked up to here."""


@dataclass(frozen=True)
class History:
    """One objective over the trials that measured it, in their order."""

    objective: Objective
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class SearchView:
    """Everything that is said of a search beside its candidates."""

    facts: SearchFacts
    counts: Mapping[State, int]
    seconds: float
    """Work of all trials together, as far as they ended."""
    per_rung: tuple[tuple[int, int], ...]
    """Rung -> trials that got so far."""
    histories: tuple[History, ...]
    failures: tuple[tuple[str, tuple[int, ...]], ...]
    """Error -> trials that ended in it."""
    infeasible: tuple[tuple[str, str], ...]
    """Names of candidates that break a constraint -> which."""
    varied: tuple[str, ...]
    """Every path that was varied, in the order of its first appearance."""

    @property
    def growth(self) -> Growth | None:
        return self.facts.growth

    @property
    def gain(self) -> float | None:
        """Hypervolume of the last front over that of the stage table; None where there is nothing to divide."""
        growth = self.growth
        if growth is None or not growth.hypervolume or growth.start_hypervolume <= 0:
            return None
        return growth.hypervolume[-1] / growth.start_hypervolume


def standings(records: Sequence[Record], search: SearchFacts | None) -> dict[str, Standing]:
    """What each record is, by name; without a search all rank."""
    trials: dict[str, list[TrialFacts]] = {}
    for trial in search.trials if search else ():
        if trial.candidate is not None:
            trials.setdefault(trial.candidate, []).append(trial)
    limits = parse_goals(search.constraints) if search else ()
    return {record.name: _standing(record, trials.get(record.name, ()), limits) for record in records}


def ranked_records(records: Sequence[Record], search: SearchFacts | None) -> tuple[Record, ...]:
    """Those that compete for the front, the teacher first: complete, and within the search's constraints."""
    found = standings(records, search)
    return tuple(record for record in teacher_first(records) if found[record.name].kind in RANKED)


def _standing(record: Record, trials: Sequence[TrialFacts], limits: Sequence[Goal]) -> Standing:
    if record.role == "teacher":
        return Standing("teacher")
    if trials and not any(trial.state == "complete" for trial in trials):
        rung = max(trial.rung for trial in trials)
        return Standing("screened", "never trained" if rung == 0 else f"stopped after rung {rung} of the training")
    broken = [result for result in judge(record, limits) if result.met is not True]
    if broken:
        return Standing("infeasible", f"breaks {listed([str(result.goal) for result in broken])}")
    refused = record.rejected_reason
    if refused is not None:
        return Standing("infeasible", refused)
    return Standing("start", "of the stage table") if any(t.is_start for t in trials) else Standing("candidate")


def search_points(
    records: Sequence[Record], search: SearchFacts | None, members: Sequence[str], run: int, label: str = ""
) -> list[ExplorerPoint]:
    """Every record and every trial that left numbers without a record, as points of the explorer."""
    found = standings(records, search)
    named = {record.name: f"{record.name} ({label})" if label else record.name for record in records}
    points = [
        point_of(record, named[record.name], run, record.name in members, found[record.name])
        for record in records
        if record.error is None
    ]
    known = {record.name for record in records}
    for trial in search.trials if search else ():
        if trial.candidate not in known and trial.values and trial.state != "failed":
            points.append(_bare(trial, run))
    return points


def _bare(trial: TrialFacts, run: int) -> ExplorerPoint:
    values = tuple(trial.values.get(column) for column in OBJECTIVES)
    words = choices_text(trial.choices) or "a start point"
    note = "screened out" if trial.state == "screened" else f"{trial.state}, left no record"
    return ExplorerPoint(f"trial {trial.number}", words, "screened", run, False, values, (None,) * len(values), note)


def search_view(records: Sequence[Record], search: SearchFacts) -> SearchView:
    """Looks at the whole study."""
    found = standings(records, search)
    varied: dict[str, None] = {}
    for choices in (*(trial.choices for trial in search.trials), *search.next_choices):
        varied |= dict.fromkeys(choices)
    failures: dict[str, list[int]] = {}
    for trial in search.trials:
        if trial.state == "failed":
            failures.setdefault(trial.error or "it left no error", []).append(trial.number)
    rungs = Counter(trial.rung for trial in search.trials if trial.state in ("complete", "screened"))
    return SearchView(
        facts=search,
        counts=Counter(trial.state for trial in search.trials),
        seconds=sum(trial.seconds or 0.0 for trial in search.trials),
        per_rung=tuple((rung, sum(n for other, n in rungs.items() if other >= rung)) for rung in sorted(rungs)),
        histories=tuple(
            history for name in search.objectives if (history := _history(name, records, search, found)).moments
        ),
        failures=tuple((error, tuple(trials)) for error, trials in failures.items()),
        infeasible=tuple((name, standing.note) for name, standing in found.items() if standing.kind == "infeasible"),
        varied=tuple(varied),
    )


def _history(name: str, records: Sequence[Record], search: SearchFacts, found: Mapping[str, Standing]) -> History:
    by_name = {record.name: record for record in records}
    objective = OBJECTIVES[name]
    better = min if objective.smaller_is_better else max
    moments: list[Moment] = []
    best: float | None = None
    for trial in sorted(search.trials, key=lambda trial: trial.number):
        record = by_name.get(trial.candidate or "")
        value = trial.values.get(name) if record is None else number(record, name)
        if value is None or trial.state not in ("complete", "screened"):
            continue
        kind: Kind = "screened" if trial.state == "screened" or record is None else found[record.name].kind
        if kind in ("start", "candidate"):
            best = value if best is None else better(best, value)
        moments.append(Moment(trial.number, value, kind, best))
    return History(objective, tuple(moments))


def counts_text(counts: Mapping[State, int]) -> str:
    """`20 trials: 12 complete, 6 screened out, 2 failed`."""
    words: tuple[tuple[State, str], ...] = (
        ("complete", "complete"), ("screened", "screened out"), ("failed", "failed"),
        ("running", "running"), ("waiting", "waiting"),
    )  # fmt: skip
    parts = [f"{counts[state]} {word}" for state, word in words if counts.get(state)]
    return f"{counted(sum(counts.values()), 'trial')}: {listed(parts)}"
