"""Everything the report shows, as a tree of frozen facts; compress/report/collect.py makes it from records.

Tests look at this tree; sections and figures only read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compress.measure.latency_facts import PartLatency
from compress.report.explorer import Explorer
from compress.report.search_view import SearchView
from compress.results.joint_angle_facts import KinematicsView
from compress.results.objectives import Objective
from compress.results.recommendation import Recommendation
from compress.results.records import Record
from compress.results.search_facts import SearchFacts
from compress.results.training_curves import Learning
from compress.run.example_frame import ShownPeople


@dataclass(frozen=True)
class DeviceTime:
    """One artefact's time on another device."""

    candidate: str
    file: str
    runtime: str
    """Its name and version."""
    median_ms: float
    p90_ms: float
    ratio: tuple[float, float, float]
    """To the first artefact of the same file of times: median, and its 95% interval."""
    on_front: bool
    energy_mj: float | None
    precision: str = ""
    """That its weights were rounded to after the candidate was measured; empty: they were not."""


@dataclass(frozen=True)
class DeviceView:
    """What `compress bench` measured, of one run's candidates."""

    label: str
    """The machine, threads and input size."""
    reference: str
    """The artefact that ratios are to."""
    times: tuple[DeviceTime, ...]
    unknown: tuple[str, ...]
    """Files that are no artefact of this run's candidates, by their hashes."""
    plot: Explorer | None
    """Time on the device against the first objective of quality."""
    energy: str | None
    """The counter that measured it, or why it was not."""


@dataclass(frozen=True)
class RunFacts:
    """One run as the report is given it."""

    label: str
    records: tuple[Record, ...]
    recipe: str
    """The concrete recipe, as text."""
    objectives: tuple[str, ...]
    """Columns of candidates.csv."""
    command: str = "compress run recipe.yaml"
    """What to type to do the run again."""
    goals: tuple[str, ...] = ()
    """As the recipe spells them."""
    devices: tuple[DeviceView, ...] = ()
    """Times from elsewhere, `compress report --bench`."""
    budget: tuple[str, ...] = ()
    """`compress report --budget`, spelt as goals are; it judges in place of the goals."""
    search: SearchFacts | None = None
    people: ShownPeople | None = None
    """One frame with the people that teacher and candidates find in it."""
    why_no_people: str = ""
    """Why there are none, if the recipe or the source forbids them."""
    folder: Path | None = None
    """Where the run keeps its candidates; None where that is not known, and then no model file is named."""


@dataclass(frozen=True)
class CandidateFacts:
    """One row of the report; `record` holds the numbers."""

    record: Record
    is_teacher: bool
    on_front: bool
    near: tuple[str, ...]
    """Names that lie within timing noise of this one."""
    only_by_noise: tuple[str, ...]
    """On the front only because a time difference within noise separates it from these."""
    reasons: Mapping[str, tuple[str, ...]]
    """Why columns are empty: reason -> columns."""


@dataclass(frozen=True)
class ModelFile:
    """A candidate's artefact on disk, as the report names it."""

    path: str
    """From the report's folder, with forward slashes."""
    bytes: int


@dataclass(frozen=True)
class PartPanel:
    """Times at one scale or window, in the order of the candidates: name, times, whether it is the teacher."""

    title: str
    """`Scale 0.5` or `Window`."""
    input_hw: tuple[int, int]
    bars: tuple[tuple[str, PartLatency, bool], ...]


@dataclass(frozen=True)
class RunView:
    """One run, looked at: the teacher first among the candidates."""

    label: str
    teacher: Record | None
    candidates: tuple[CandidateFacts, ...]
    """The rows of its tables; of a search the front and the stage table, because it has many candidates."""
    objectives: tuple[Objective, ...]
    ranked: tuple[Record, ...]
    """All that rank: of a search, without those that were screened out or that break a constraint."""
    recommendation: Recommendation
    files: Mapping[str, ModelFile]
    """Candidate -> its artefact, for those whose artefact is there."""
    explorer: Explorer | None
    """The Pareto plot; None if no candidate has values on both of its axes."""
    panels: tuple[PartPanel, ...]
    kinematics: KinematicsView | None
    """None if no joint angles were measured."""
    training: tuple[Learning, ...]
    """Empty if nothing was trained."""
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Condition -> its value, as text -> names measured under it. More than one value means mixed conditions."""
    search: SearchView | None
    source: RunFacts
    """What the run was given as: recipe, command, goals, devices, the example frame."""


@dataclass(frozen=True)
class RunGroup:
    """Runs that share teacher, frames, scales, machine and objectives, so that their candidates compare."""

    runs: tuple[int, ...]
    """Places in ReportFacts.runs."""
    explorer: Explorer | None
    """One front over all of them; None for a single run, which has its own."""
    recommendation: Recommendation | None
    """One model out of all of them, for a budget."""


@dataclass(frozen=True)
class ReportFacts:
    """The whole report."""

    runs: tuple[RunView, ...]
    groups: tuple[RunGroup, ...]
    differences: Mapping[str, tuple[str, ...]]
    """What keeps the runs apart: condition -> its value in each run. Empty if all runs compare."""
