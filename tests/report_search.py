"""A made-up study of 48 trials, for tests of its report. Plausible, and no number is measured."""

from typing import Any

import numpy as np
from compress_made_up import OBJECTIVES, angle_records, kinematics, latency, record, run_of, times

from compress.measure.fidelity import Fidelity
from compress.measure.latency import Latencies
from compress.measure.memory import Memory
from compress.measure.size import Size
from compress.report.facts import RunFacts
from compress.results.pareto import front
from compress.results.records import Measurement, Record
from compress.results.search_facts import Growth, SearchFacts, TrialFacts

STARTS = (5, 4, 3, 2, 1)
BACKBONES = ("mobilenet-v1", "mobilenet-v2", "squeezenet-1.1", "repvgg")
TRIALS = 48
CONSTRAINT = "oks >= 0.75"


def made_up_search() -> tuple[list[Record], SearchFacts]:
    """Records and facts: five start points, complete, screened, failed, infeasible, running and waiting trials."""
    random = np.random.default_rng(7)
    records = list(angle_records())
    trials = [_start(number, stages) for number, stages in enumerate(STARTS)]
    started = 900.0
    for number in range(len(STARTS), TRIALS):
        choices = _choices(random)
        trial, found = _trial(number, choices, random, started)
        started += trial.seconds or 0.0
        trials.append(trial)
        records += found
    importance = {
        OBJECTIVES[0]: {"stages": 0.52, "backbone": 0.21, "width": 0.19, "ratio": 0.08},
        OBJECTIVES[1]: {"training steps": 0.41, "stages": 0.33, "width": 0.14, "backbone": 0.12},
    }
    facts = SearchFacts(
        name="search_mobile",
        sampler="TPE, multivariate",
        objectives=OBJECTIVES,
        constraints=(CONSTRAINT,),
        trials=tuple(trials),
        growth=_growth(records, trials),
        importance=importance,
        importance_reason=None,
        next_choices=(
            {"stages": 2, "backbone": "mobilenet-v2", "width": 0.75, "training steps": 4000},
            {"stages": 3, "ratio": 0.375, "training steps": 2000},
            {"stages": 2, "backbone": "repvgg", "width": 0.5, "training steps": 4000},
        ),
    )
    return records, facts


def search_run(label: str = "search_mobile") -> RunFacts:
    """The run that the study is of, with it."""
    from dataclasses import replace

    records, facts = made_up_search()
    return replace(run_of(records, label), search=facts)


def _start(number: int, stages: int) -> TrialFacts:
    values = {"latency_ratio": 1.0 - 0.1 * (6 - stages)}
    return TrialFacts(
        number, "complete", {"stages": stages}, values, f"stages-{stages}", 0, 180.0 * number, 180.0, True, None
    )


def _choices(random: np.random.Generator) -> dict[str, Any]:
    stages, steps = int(random.integers(1, 5)), int(random.choice([2000, 4000]))
    if random.random() < 0.3:
        return {"stages": stages, "ratio": float(random.choice([0.125, 0.25, 0.375])), "training steps": steps}
    width = float(random.choice([0.5, 0.75, 1.0]))
    return {"stages": stages, "backbone": str(random.choice(BACKBONES)), "width": width, "training steps": steps}


def _trial(
    number: int, choices: dict[str, Any], random: np.random.Generator, started: float
) -> tuple[TrialFacts, list[Record]]:
    name = f"trial-{number:03d}"
    if number in (11, 23):
        error = "RuntimeError: the loss became NaN after 120 steps"
        broken = record(name, error=error, missing={}, id=None, backbone=None)
        return TrialFacts(number, "failed", choices, {}, name, 1, started, 95.0, False, error), [broken]
    if number >= TRIALS - 2:
        state = "running" if number == TRIALS - 2 else "waiting"
        return TrialFacts(number, state, choices, {}, None, 0, started, None, False, None), []
    whole = random.random() < 0.45
    found = _record(name, choices, whole, random)
    measured = found.measurement
    values = {
        "latency_ratio": measured.facts(Latencies).first.ratio,
        "joint_rel_l2": measured.facts(Fidelity).joint_rel_l2,
    }
    rung = 2 if whole else int(random.integers(0, 2))
    seconds = (60.0, 240.0, 900.0)[rung]
    state = "complete" if whole else "screened"
    return TrialFacts(number, state, choices, values, name, rung, started, seconds, False, None), [found]


def _record(name: str, choices: dict[str, Any], whole: bool, random: np.random.Generator) -> Record:
    stages, width = choices["stages"], choices.get("width", 1.0 - choices.get("ratio", 0.0))
    ratio = float((0.1 + 0.13 * stages) * width**1.3 * random.uniform(0.9, 1.1))
    joints = float((0.06 + 0.055 * (4 - stages) + 0.12 * (1 - width)) * random.uniform(0.85, 1.25))
    joints *= 1.0 if whole else random.uniform(2.0, 4.5)
    near = min((5, 4, 3, 2, 1), key=lambda n: abs(0.03 * (7 - n) - joints / 2))
    steps: list[dict[str, Any]] = [{"step": "remove_stages", "stages": stages}]
    if "backbone" in choices:
        steps.append({"step": "swap_backbone", "backbone": choices["backbone"], "width": width})
    else:
        steps.append({"step": "prune_channels", "pruning_ratio": choices["ratio"]})
    if whole:
        steps.append({"step": "distill", "schedule": {"steps": choices["training steps"]}})
    measurement = Measurement.of(
        Size(
            params=int(1.9e6 * width**1.6 * (0.4 + 0.1 * stages)), macs=int(7.5e9 * ratio), macs_input_hw=(368, 656),
            bytes=int(7.8e6 * width**1.6 * (0.4 + 0.1 * stages)),
        ),
        Fidelity(
            images=100, heat_l2=91.7 * joints / 4, paf_l2=24.1 * joints, heat_rel_l2=joints / 4, joint_rel_l2=joints,
            paf_rel_l2=1.4 * joints, intervals={"joint_rel_l2": (0.93 * joints, 1.08 * joints)},
        ),
        times(latency(1500 * ratio, ratio, 0.012)),
        Memory(
            runtime="onnxruntime", threads=2, input_h=736, input_w=1312,
            peak_bytes=int(96e6 + 314e6 * (0.3 + 0.7 * ratio)), before_load_bytes=96_000_000,
        ),
        *([kinematics(near, oks=max(0.4, 1.0 - 1.1 * joints))] if whole else []),
    )  # fmt: skip
    missing = {} if whole else {"oks": "screened out before anything was trained"}
    return record(name, measurement, steps=tuple(steps), stages=stages, missing=missing, id=f"id of {name}")


def _growth(records: list[Record], trials: list[TrialFacts]) -> Growth:
    """The true hypervolume of two objectives, by strips; the report only draws it."""
    by_name = {found.name: found for found in records}
    reference = {"latency_ratio": 1.0, "joint_rel_l2": 0.5}
    numbers, volumes = [], []
    for trial in trials:
        if trial.state != "complete":
            continue
        upto = [
            by_name[t.candidate] for t in trials if t.state == "complete" and t.number <= trial.number and t.candidate
        ]
        numbers.append(trial.number)
        volumes.append(_volume(upto, reference))
    start = volumes[len(STARTS) - 1]
    return Growth(tuple(numbers), tuple(volumes), reference, start)


def _volume(records: list[Record], reference: dict[str, float]) -> float:
    members = [found for found in records if found.name in front(records, OBJECTIVES)]
    places = sorted((m.facts(Latencies).first.ratio, m.facts(Fidelity).joint_rel_l2) for m in members)  # type: ignore[union-attr]
    places = [(x, y) for x, y in places if x < reference["latency_ratio"] and y < reference["joint_rel_l2"]]
    ends = [x for x, _ in places[1:]] + [reference["latency_ratio"]]
    return sum((end - x) * (reference["joint_rel_l2"] - y) for (x, y), end in zip(places, ends, strict=True))
