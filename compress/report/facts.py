"""Everything the report says, as a tree of frozen facts; compress/report/views.py makes it from records.

Tests look at this tree; the drawing and the writing only read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from compress.report.explorer import Explorer
from compress.report.kinematics import KinematicsView
from compress.report.people import PeopleView
from compress.report.search_view import SearchView
from compress.results.objectives import Objective
from compress.results.records import Record, ScaleLatency
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


@dataclass(frozen=True)
class DeviceView:
    """What `compress bench` measured, of one run's candidates."""

    label: str
    """The machine, threads and input size."""
    reference: str
    """The artefact that ratios are to."""
    times: tuple[DeviceTime, ...]
    unknown: tuple[str, ...]
    """Files that are no artefact of this run's candidates, by their sha256."""
    plot: "PlotFacts | None"
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
class PlotPoint:
    """A candidate in the Pareto plot; bounds are those of the 95% interval, or the value itself where there is none."""

    name: str
    run: int
    x: float
    y: float
    x_bounds: tuple[float, float]
    y_bounds: tuple[float, float]
    is_teacher: bool
    on_front: bool
    kind: str = "candidate"
    """As in compress.report.explorer."""


@dataclass(frozen=True)
class PlotFacts:
    """The Pareto plot."""

    x: Objective
    y: Objective
    points: tuple[PlotPoint, ...]
    line: tuple[tuple[float, float], ...]
    """Corners of the step line along the front; empty where it would mislead, with more than two objectives."""
    left_out: tuple[str, ...]
    """Names without a value on one of the axes."""
    runs: tuple[str, ...]


@dataclass(frozen=True)
class ScalePanel:
    """Times at one image scale, in the order of the candidates: name, times, whether it is the teacher."""

    scale: float
    input_hw: tuple[int, int]
    bars: tuple[tuple[str, ScaleLatency, bool], ...]


@dataclass(frozen=True)
class RunView:
    """One run, looked at: the teacher first among the candidates."""

    label: str
    teacher: Record | None
    candidates: tuple[CandidateFacts, ...]
    objectives: tuple[Objective, ...]
    plot: PlotFacts | None
    panels: tuple[ScalePanel, ...]
    kinematics: KinematicsView | None
    """None if nobody's joint angles were measured."""
    training: tuple[Learning, ...]
    """Empty if nobody learned anything."""
    noise: tuple[tuple[str, str], ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Condition -> its value, as text -> names measured under it. More than one value means mixed conditions."""
    recipe: str
    command: str
    goals: tuple[str, ...]
    devices: tuple[DeviceView, ...]
    budget: tuple[str, ...]
    ranked: tuple[Record, ...]
    """Everybody who ranks: of a search, without those that were screened out or that break a constraint."""
    explorer: Explorer | None
    search: SearchView | None
    people: PeopleView | None
    why_no_people: str


@dataclass(frozen=True)
class ReportFacts:
    """The whole report. `combined` is there for several runs with the same objectives."""

    runs: tuple[RunView, ...]
    combined: PlotFacts | None
    explorer: Explorer | None = None
    """Its interactive twin."""
