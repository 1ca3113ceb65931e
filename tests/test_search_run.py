"""A search end to end on the tiny teacher: what it leaves, that it goes on, and what never ranks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from compress_tiny_run import TinyRun, keep_export, records, rows, set_to
from search_tiny import entries, facts, front, write_recipe

from compress.cli.main import run_command
from compress.results.records import Record

pytestmark = pytest.mark.usefixtures("without_pictures")

TRIALS = 6


@pytest.fixture(scope="module")
def patched(tiny_run: TinyRun) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        keep_export(patch, tiny_run)
        yield patch


@pytest.fixture(scope="module")
def done(patched: Any, tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search, its recipe beside it. To be copied, not written to."""
    folder = tmp_path_factory.mktemp("search")
    recipe = write_recipe(folder / "s.yaml", tiny_run, trials=TRIALS, sampler="tpe")
    assert search(recipe, folder / "out") == 0
    return folder


def search(recipe: Path, out: Path, *more: str) -> int:
    return run_command(["search", str(recipe), "--out", str(out), *more])


def test_the_stage_table_comes_first_and_every_trial_counts_once(done: Path) -> None:
    found = entries(done / "out")
    counted = [entry for entry in found if entry.counts]
    assert [entry.notes.enqueued_as for entry in counted[:2]] == ["stages-2", "stages-1"]
    assert counted[0].choices == {"remove_stages.stages": 2, "training.scales": "[0.25]", "training.cache_gib": 1}
    assert len(counted) == TRIALS and all(entry.state == "complete" for entry in counted)
    chosen = [json.dumps(dict(entry.choices), sort_keys=True) for entry in counted]
    assert len(set(chosen)) == TRIALS


def test_what_it_leaves(done: Path) -> None:
    out = done / "out"
    names = [record["name"] for record in records(out)]
    assert names[:3] == ["teacher", "stages-2", "stages-1"] and len(names) == TRIALS + 1
    assert [row["name"] for row in rows(out)] == names
    for name in names[1:]:
        recipe = (out / "trials" / name / "recipe.yaml").read_text()
        assert yaml.safe_load(recipe)["candidates"][0]["name"] == name and "search" not in recipe
        assert Record.model_validate_json((out / "trials" / name / "record.json").read_bytes()).name == name
        assert (out / "candidates" / name / "model.onnx").is_file()
    assert (out / "report.html").is_file() and (out / "environment.json").is_file()
    assert not [path for path in out.rglob("*") if "partial" in path.name]
    found = facts(out)
    assert [trial["candidate"] for trial in found["trials"]] == names[1:]
    assert [trial["is_start"] for trial in found["trials"]] == [True] * 2 + [False] * (TRIALS - 2)
    growth = found["growth"]
    assert growth["hypervolume"] == sorted(growth["hypervolume"]) and growth["hypervolume"][-1] > 0
    assert growth["start_hypervolume"] == pytest.approx(growth["hypervolume"][1])
    assert len(found["next_choices"]) == 3 and set(found["next_choices"][0]) == set(found["trials"][0]["choices"])
    starts = [trial["started_s"] for trial in found["trials"]]
    assert starts == sorted(starts) and all(trial["seconds"] > 0 for trial in found["trials"])


def test_a_trial_run_alone_gives_the_same(done: Path, patched: Any, tmp_path: Path) -> None:
    name = next(t["candidate"] for t in facts(done / "out")["trials"] if t["choices"]["training.scales"] == "[0.5]")
    assert run_command(["run", str(done / "out/trials" / name / "recipe.yaml"), "--out", str(tmp_path / "alone")]) == 0
    (ours,) = [record for record in records(done / "out") if record["name"] == name]
    (alone,) = [record for record in records(tmp_path / "alone") if record["name"] == name]
    fidelities = [record["measurement"].pop("fidelity") for record in (ours, alone)]
    intervals = [fidelity.pop("intervals") for fidelity in fidelities]
    assert intervals[0].keys() == intervals[1].keys() and intervals[0]
    for name, bounds in intervals[0].items():
        assert bounds == pytest.approx(intervals[1][name], rel=1e-6)
    assert fidelities[0] == pytest.approx(fidelities[1], rel=1e-6) and fidelities[0]["images"] == 2
    assert ours["id"] == alone["id"] and ours["key"] == alone["key"] and ours["measurement"] == alone["measurement"]


def test_a_second_call_goes_on_and_measures_nothing_twice(done: Path, patched: Any, tmp_path: Path) -> None:
    out = shutil.copytree(done / "out", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("record.json")}
    assert search(done / "s.yaml", out, "--trials", str(TRIALS + 2)) == 0
    assert len([entry for entry in entries(out) if entry.counts]) == TRIALS + 2
    after = {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("record.json")}
    assert len(before) == TRIALS + 1 and {path: after[path] for path in before} == before


def test_one_seed_proposes_the_same_trials_however_often_it_is_called(done: Path, patched: Any, tmp_path: Path) -> None:
    for trials in (3, TRIALS):
        assert search(done / "s.yaml", tmp_path / "out", "--trials", str(trials)) == 0
    ours = [(e.choices, e.notes.measured) for e in entries(tmp_path / "out") if e.counts]
    assert ours == [(e.choices, e.notes.measured) for e in entries(done / "out") if e.counts]
    assert front(tmp_path / "out") == front(done / "out")


def test_a_space_that_is_exhausted_ends_the_search(patched: Any, tiny_run: TinyRun, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, seeds=1, trials=50)
    assert search(recipe, tmp_path / "out") == 0
    chosen = {tuple(sorted(entry.choices.items())) for entry in entries(tmp_path / "out") if entry.counts}
    assert len(chosen) == 3 * 2


def test_another_recipe_is_refused_by_folder_and_by_study(
    done: Path, patched: Any, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_recipe(tmp_path / "s.yaml", tiny_run, trials=TRIALS + 1)
    out = shutil.copytree(done / "out", tmp_path / "out")
    assert search(other, out) == 2 and "another recipe" in capsys.readouterr().err
    url = f"sqlite:///{out}/study.sqlite3"
    assert search(other, tmp_path / "new" / "out", "--storage", url) == 2
    said = capsys.readouterr().err
    assert "holds a study 'out' of another recipe" in said and not (tmp_path / "new" / "out" / "search.json").exists()


def test_a_run_and_a_search_do_not_share_a_folder(done: Path, patched: Any, tiny_run: TinyRun, tmp_path: Path) -> None:
    out = shutil.copytree(done / "out", tmp_path / "out")
    assert run_command(["run", str(done / "s.yaml"), "--out", str(out)]) == 2
    run = shutil.copytree(tiny_run.out, tmp_path / "run")
    assert search(done / "s.yaml", run) == 2


def test_what_fails_or_is_not_a_number_never_ranks(
    patched: Any, tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step breaks with two stages, and a number is missing with one."""
    from compress.search import worker
    from compress.steps.remove_stages import RemoveStages

    keeping = RemoveStages.apply

    def breaking(self: RemoveStages, candidate: Any, context: Any) -> Any:
        if self.stages == 3:
            raise RuntimeError("this one breaks")
        return keeping(self, candidate, context)

    read = worker.number
    monkeypatch.setattr(RemoveStages, "apply", breaking)
    monkeypatch.setattr(
        worker, "number", lambda record, name: None if record.stages == 1 and name != "macs" else read(record, name)
    )
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, seeds=1, trials=6)
    assert search(recipe, tmp_path / "out") == 0
    found = facts(tmp_path / "out")["trials"]
    states = {t["choices"]["remove_stages.stages"]: t["state"] for t in found}
    assert states == {3: "failed", 2: "complete", 1: "failed"}
    broken = next(t for t in found if t["choices"]["remove_stages.stages"] == 3)
    assert broken["error"] == "RuntimeError: this one breaks" and broken["values"] == {}
    assert "remove_stages" in (tmp_path / "out/trials" / broken["candidate"] / "recipe.yaml").read_text()
    silent = next(t for t in found if t["choices"]["remove_stages.stages"] == 1)
    assert silent["error"].startswith("joint_rel_l2: ") and silent["values"] == {}
    failed = {r["name"]: r["error"] for r in records(tmp_path / "out")}
    assert failed[broken["candidate"]] == broken["error"]
    assert len(front(tmp_path / "out")) == 1


def test_a_missed_constraint_never_ranks(patched: Any, tiny_run: TinyRun, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, seeds=1, trials=6)
    out = tmp_path / "out"
    assert search(recipe, out, *set_to("search.constraints=[macs <= 50000000]")) == 0
    found = entries(out)
    kept = {entry.choices["remove_stages.stages"]: entry.notes.feasible for entry in found if entry.counts}
    assert kept == {1: True, 2: True, 3: False}
    growth = facts(out)["growth"]
    assert len(growth["trials"]) == 4 and facts(out)["constraints"] == ["macs <= 50000000"]


def test_no_time_begins_nothing(patched: Any, done: Path, tmp_path: Path) -> None:
    assert search(done / "s.yaml", tmp_path / "out", "--time-limit", "0s") == 0
    assert [r["name"] for r in records(tmp_path / "out")] == ["teacher"]
    assert all(entry.state == "waiting" for entry in entries(tmp_path / "out"))
    assert facts(tmp_path / "out")["growth"] is None


def test_optuna_reads_our_study_with_names_that_people_know(done: Path) -> None:
    import optuna

    study = optuna.load_study(study_name="out", storage=f"sqlite:///{done}/out/study.sqlite3")
    assert study.metric_names == ["macs", "joint_rel_l2"]
    best = study.best_trials
    assert best and all(
        set(t.params) == {"remove_stages.stages", "training.scales", "training.cache_gib"} for t in best
    )
    assert best[0].user_attrs["name"] in {r["name"] for r in records(done / "out")}
    assert (
        "remove_stages" in best[0].user_attrs["recipe"] and best[0].user_attrs["measured"]["macs"] == best[0].values[0]
    )
    assert {tuple(t.values) for t in best} >= set(front(done / "out"))
