"""A search whose trials cost milliseconds: stages of the tiny teacher, on few frames and scales, exported once."""

import json
from pathlib import Path
from typing import Any

from compress_tiny_run import TinyRun

from compress.recipe.search_plan import SamplerPlan
from compress.search.history import TrialEntry
from compress.search.study import SearchStudy, StudyPlan

RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 2}}
scales: [0.25]
candidates:
  - name: base
    steps:
      - {{step: remove_stages, stages: 3}}
training: {{data: [{{source: {source}}}]}}
measure: {{latency: false, memory: false}}
objectives: [macs, joint_rel_l2]
search:
  vary:
    candidates.0.steps.0.stages: {{int: [1, 3]}}
    training.scales: {{any: [[0.25], [0.5]]}}
    training.cache_gib: {{int: [1, {seeds}]}}
  sampler: {{kind: {sampler}, startup: 5}}
  trials: {trials}
"""


def write_recipe(path: Path, run: TinyRun, *, seeds: int = 3, trials: int = 10, sampler: str = "random") -> Path:
    """2 * 3 * seeds recipes, of which two are the stage table that is tried first. Nothing is trained: how it would be
    trained varies, which costs nothing."""
    path.write_text(RECIPE.format(teacher=run.teacher, source=run.photos, seeds=seeds, trials=trials, sampler=sampler))
    return path


def entries(out: Path, url: str | None = None) -> list[TrialEntry]:
    """What the study holds."""
    found = json.loads((out / "search.json").read_text()) if (out / "search.json").exists() else {}
    objectives = tuple(found.get("objectives", ("macs", "joint_rel_l2")))
    recipe = (out / "recipe.yaml").read_text()
    where = url or f"sqlite:///{(out / 'study.sqlite3').resolve()}"
    plan = StudyPlan(where, out.resolve().name, recipe, objectives, (True,) * len(objectives), SamplerPlan())
    return SearchStudy(plan).entries()


def facts(out: Path) -> dict[str, Any]:
    """What the report is given."""
    found: dict[str, Any] = json.loads((out / "search.json").read_text())
    return found


def front(out: Path) -> list[tuple[float, ...]]:
    """Values of the complete trials that no other one beats."""
    found = facts(out)
    names = found["objectives"]
    points = [tuple(t["values"][n] for n in names) for t in found["trials"] if t["state"] == "complete"]
    return sorted(
        {p for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)}
    )
