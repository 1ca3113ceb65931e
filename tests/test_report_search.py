"""The report of a search: who ranks, every pair's front, what happened; drawn again without the engine."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from compress_made_up import OBJECTIVES, failed, measured, record, run_of, stage_records
from compress_recipe_text import GOOD, load
from hypothesis import given
from hypothesis import strategies as st
from report_search import CONSTRAINT, STARTS, TRIALS, made_up_search, search_run

from compress.cli.main import run_command
from compress.common.document import Bullets, Details, Table
from compress.common.run_folder import RECIPE, RECORDS
from compress.report.collect import report_facts
from compress.report.document import Document, Picture
from compress.report.explorer import Explorer, ExplorerPoint, pair_front
from compress.report.figures.curves import growth_png
from compress.report.figures.pareto import pareto_png
from compress.report.plotly import explorer_call, explorer_spec
from compress.report.search_view import search_view, standings
from compress.report.sections.outline import document
from compress.report.write import write_report
from compress.results.objectives import OBJECTIVES as KNOWN
from compress.results.pareto import front, front_of
from compress.results.records import append_record
from compress.results.search_facts import Growth, SearchFacts, TrialFacts
from compress.results.search_file import keep_search, kept_search
from compress.results.step_text import described_steps, recipe_text
from compress.steps import STEPS
from teachers.common.errors import UserError

AXES = (KNOWN["latency_ms"], KNOWN["oks"])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study as the engine would hand it over."""
    out, run = tmp_path_factory.mktemp("search") / "search_mobile", search_run()
    write_report(out, [replace(run, search=None)], search=run.search)
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def text_of(run: object) -> Document:
    return document(report_facts([run]))  # type: ignore[list-item]


def point(name: str, x: float | None, y: float | None, kind: str = "candidate") -> ExplorerPoint:
    return ExplorerPoint(name, "", kind, 0, False, (x, y), (None, None))  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 4)),
            st.one_of(st.none(), st.integers(0, 4)),
            st.sampled_from(("candidate", "start", "teacher", "screened", "infeasible")),
        ),
        max_size=12,
    )
)
def test_a_pairs_front_is_what_comparing_all_finds(found: list[tuple[int | None, int | None, str]]) -> None:
    points = [point(str(i), x, y, kind) for i, (x, y, kind) in enumerate(found)]
    ranked = [kind in ("candidate", "start", "teacher") for _, _, kind in found]
    places = [(x, y) if ranks else (None, None) for (x, y, _), ranks in zip(found, ranked, strict=True)]
    expected = {i for i, member in enumerate(front_of(places, [True, False])) if member}
    members = pair_front(points, AXES, 0, 1)
    assert set(members) == expected
    times = [found[i][0] for i in members]
    assert times == sorted(times)  # type: ignore[type-var]


def test_every_pair_of_axes_has_its_front_and_nothing_screened_out_is_on_one() -> None:
    shown = report_facts([search_run()]).runs[0].explorer
    assert isinstance(shown, Explorer)
    count = len(shown.axes)
    assert count >= 15 and len(shown.fronts) == count * (count - 1) // 2
    assert [shown.axes[axis].name for axis in shown.chosen] == list(OBJECTIVES)
    unranked = {i for i, point in enumerate(shown.points) if point.kind in ("screened", "infeasible")}
    assert len(unranked) > 20
    assert all(not unranked & set(members) for members in shown.fronts.values())
    named = {shown.points[i].name for i in shown.fronts[min(shown.chosen), max(shown.chosen)]}
    assert named == {point.name for point in shown.points if point.on_front}


def test_screened_failed_and_barred_trials_never_rank() -> None:
    records, facts = made_up_search()
    view = report_facts([search_run()]).runs[0]
    found = standings(records, facts)
    kinds = [found[one.name].kind for one in records]
    assert kinds.count("teacher") == 1 and kinds.count("start") == len(STARTS)
    assert kinds.count("screened") >= 15 and kinds.count("infeasible") >= 2
    ranked = {one.name for one in view.ranked}
    assert ranked == {name for name, standing in found.items() if standing.kind not in ("screened", "infeasible")}
    # By the numbers alone some of them would be on the front: it is not the numbers that keep them off.
    everybody = set(front([one for one in records if one.error is None], OBJECTIVES))
    assert everybody - set(front(view.ranked, OBJECTIVES))
    members = {candidate.record.name for candidate in view.candidates if candidate.on_front}
    assert members == set(front(view.ranked, OBJECTIVES))
    assert {f"stages-{n}" for n in STARTS} | members == {candidate.record.name for candidate in view.candidates}
    assert all(standing.note == f"breaks {CONSTRAINT}" for standing in found.values() if standing.kind == "infeasible")


def test_a_record_that_several_trials_share_ranks_if_one_of_them_was_finished() -> None:
    records, facts = made_up_search()
    complete = next(trial for trial in facts.trials if trial.state == "complete" and not trial.is_start)
    twin = replace(complete, number=900, state="screened", rung=0)
    both = replace(facts, trials=(*facts.trials, twin))
    assert standings(records, both)[str(complete.candidate)] == standings(records, facts)[str(complete.candidate)]
    alone = replace(facts, trials=(twin,))
    assert standings(records, alone)[str(complete.candidate)].note == "never trained"


def test_a_trial_without_a_record_is_a_point_that_does_not_rank() -> None:
    values = {"latency_ratio": 0.01, "joint_rel_l2": 0.01}
    bare = TrialFacts(77, "screened", {"width": 0.5}, values, None, 0, 0.0, 1.0, False, None)
    run = search_run()
    assert run.search is not None
    view = report_facts([replace(run, search=replace(run.search, trials=(*run.search.trials, bare)))]).runs[0]
    assert view.explorer is not None
    (found,) = [point for point in view.explorer.points if point.name == "trial 77"]
    assert found.kind == "screened" and found.recipe == "width 0.5" and not found.on_front


def test_the_tables_tell_who_ranks_and_hold_every_trial(pages: Path) -> None:
    records, facts = made_up_search()
    found = standings(records, facts)
    table = rows(pages / "candidates.csv")
    assert len(table) == len(records)
    on_front = {row["name"] for row in table if row["on_front"] == "true"}
    assert on_front and all(found[name].kind in ("teacher", "start", "candidate") for name in on_front)
    trials = rows(pages / "trials.csv")
    assert [int(row["trial"]) for row in trials] == list(range(TRIALS))
    assert {row["state"] for row in trials} == {"complete", "screened", "failed", "running", "waiting"}
    assert trials[0]["start"] == "true" and trials[0]["candidate"] == "stages-5" and trials[0]["width"] == ""
    assert [row["error"] for row in trials if row["state"] == "failed"] == [
        "RuntimeError: the loss became NaN after 120 steps"
    ] * 2


def test_the_section_says_how_it_went_what_mattered_and_what_comes_next() -> None:
    sections = {section.title: section.blocks for section in text_of(search_run()).sections}
    went = repr(sections["Search"])
    assert "48 trials: 22 complete, 22 screened out, 2 failed, 1 running and 1 waiting" in went
    assert "times the hypervolume of the stage table" in went and "Trials 11 and 23" in went
    assert f"breaks {CONSTRAINT}" in went
    pictures = [block.name for blocks in sections.values() for block in blocks if isinstance(block, Picture)]
    assert {"pareto", "hypervolume", "history", "importance"} <= set(pictures)
    *_, importance, coming = [block for block in sections["Search"] if isinstance(block, Table)]
    assert [row.cells for row in importance.rows][:2] == [
        ("stages", "52.0%", "33.0%"),
        ("training steps", "not told", "41.0%"),
    ]
    assert coming.rows[1].cells == ("2", "3", "does not apply", "does not apply", "2000", "0.375")


def test_the_first_table_holds_the_front_and_the_stage_table() -> None:
    sections = {section.title: section.blocks for section in text_of(search_run()).sections}
    (table,) = [block for block in sections["Candidates"] if isinstance(block, Table)]
    assert table.rows[0].kind == "teacher" and table.wide
    front_rows = [row for row in table.rows[1:] if row.kind == "front"]
    times = [float(row.cells[2]) for row in front_rows]
    assert times == sorted(times) and len(times) > 5
    stages = next(row for row in table.rows if row.cells[0] == "stages-5").cells
    assert stages[2:4] == ("1340", "0.89x (0.88-0.90)") and stages[7] == "1.5 / 5.6"
    (details,) = [block for block in sections["Pareto front"] if isinstance(block, Details)]
    (made,) = [block for block in details.blocks if isinstance(block, Bullets)]
    assert "then trained" in dict(made.items)[front_rows[0].cells[0]], "the name of a trial says nothing"


def test_hypervolume_is_drawn_in_the_order_in_which_trials_ended() -> None:
    """With two workers numbers are not in that order: drawn over them, the line would run backwards."""
    growth = Growth((0, 2, 1, 4, 3), (0.1, 0.2, 0.2, 0.3, 0.3), {"latency_ratio": 1.0}, 0.1)
    in_order = replace(growth, trials=(0, 1, 2, 3, 4))
    assert growth_png(growth, False) == growth_png(in_order, False)
    run = search_run()
    assert run.search is not None
    text = repr(text_of(replace(run, search=replace(run.search, growth=growth))))
    assert "over 5 finished trials" in text and "The last 1 finished trial added nothing." in text


def test_a_study_that_has_hardly_begun_still_has_a_report(tmp_path: Path) -> None:
    waiting = TrialFacts(0, "waiting", {}, {}, None, 0, 0.0, None, True, None)
    facts = SearchFacts("new", "TPE", OBJECTIVES, (), (waiting,), None, {}, "no trial is finished", ())
    write_report(tmp_path, [run_of(stage_records()[:1], "new")], search=facts)
    text = (tmp_path / "report.md").read_text()
    assert "There is no hypervolume yet" in text and "no trial is finished" in text
    assert "The sampler proposes no further trials" in text and "1 trial: 1 waiting" in text
    view = search_view([failed()], facts)
    assert view.gain is None and view.histories == ()


def test_the_facts_come_back_from_the_folder_as_they_were(tmp_path: Path) -> None:
    _, facts = made_up_search()
    keep_search(tmp_path, facts)
    assert kept_search(tmp_path) == facts
    assert kept_search(tmp_path / "elsewhere") is None
    found = json.loads((tmp_path / "search.json").read_text())
    for broken, said in (("{", "cannot be read"), ("[]", "format 1"), (json.dumps(found | {"trials": 3}), "trials")):
        (tmp_path / "search.json").write_text(broken)
        with pytest.raises(UserError, match=said):
            kept_search(tmp_path)
    trial = replace(facts.trials[0], values={"latency_ratio": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        keep_search(tmp_path, replace(facts, trials=(trial,)))


@pytest.mark.usefixtures("without_pictures")
def test_compress_report_draws_a_search_again_with_a_budget(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, _ = made_up_search()
    for one in records:
        append_record(pages / RECORDS, one)
    (pages / RECIPE).write_text(load(GOOD, "objectives=[latency_ratio, joint_rel_l2]").to_yaml())
    tables = ("candidates.csv", "latency.csv", "trials.csv", "search.json")
    before = [(pages / name).read_bytes() for name in tables]
    assert run_command(["report", str(pages), "--budget", "latency_ratoi=0.4"]) == 2
    assert "did you mean latency_ratio" in capsys.readouterr().err
    assert run_command(["report", str(pages), "--budget", "latency_ratio=0.4"]) == 0
    assert "Recommended model: trial-008." in capsys.readouterr().out
    assert [(pages / name).read_bytes() for name in tables] == before
    html = (pages / "report.html").read_text()
    assert ">Search</h2>" in html and "Recommended model: trial-008." in html


def test_a_name_cannot_break_out_of_the_script() -> None:
    hostile = "</script><script>alert(1)</script>"
    shown = report_facts([run_of([*stage_records(), record(hostile, measured(3))])]).runs[0].explorer
    assert shown is not None
    call = explorer_call("p", shown)
    assert "</script" not in call and "\\u0026lt;/script\\u0026gt;" in call
    spec = explorer_spec(shown)
    assert [axis["name"] for axis in spec["axes"]][spec["chosen"][0]] == "latency_ratio"
    assert spec["points"][1]["texts"][spec["chosen"][0]] == "0.89x (0.88x to 0.90x)"


def test_an_axis_of_many_sizes_has_equal_factors() -> None:
    shown = report_facts([run_of(stage_records())]).runs[0].explorer
    assert shown is not None
    x, y = shown.chosen
    last = shown.points[-1]
    values = tuple(value if axis != x else 0.01 for axis, value in enumerate(last.values))
    fast = replace(last, name="window", values=values, intervals=(None,) * len(values))
    wide = replace(shown, points=(*shown.points, fast))
    assert not shown.logarithmic(x) and wide.logarithmic(x)
    assert not wide.logarithmic(y), "the teacher's 0 has no logarithm"
    assert [axis["log"] for axis in explorer_spec(wide)["axes"]][x]
    assert pareto_png(wide) != pareto_png(shown)


def test_an_axis_that_hardly_any_candidate_has_is_not_offered() -> None:
    shown = report_facts([run_of(stage_records())]).runs[0].explorer
    assert shown is not None
    assert {"oks", "ap", "angle_rmse_deg"}.isdisjoint(axis.name for axis in shown.axes)
    assert report_facts([run_of([record("bare")])]).runs[0].explorer is None


SAID = {
    "load_model": ({"model": "zoo/thin-3-int8/model.onnx"}, "zoo/thin-3-int8/model.onnx in its place"),
    "remove_stages": ({"stages": 1}, "first stage kept"),
    "swap_backbone": (
        {"backbone": "mobilenet-v2", "width": 0.5, "feature_channels": 128},
        "mobilenet-v2 as backbone at 0.5 times its width, 128 feature channels",
    ),
    "replace_stages": ({"plan": "two_branch", "stages": 2}, "2 new two-branch stages"),
    "prune_channels": (
        {"pruning_ratio": 0.125, "pruning_ratios": {"backbone": 0.5}, "allocation": "latency"},
        "12.5% of every layer's channels removed, 50% of backbone, chosen by latency",
    ),
    "cluster_weights": ({"bits": 4}, "weights of a layer sharing 16 values (4 bits)"),
    "prune_weights": ({"sparsity": 0.3}, "30% of the weights set to zero by magnitude"),
    "quantize": ({"precision": "int8", "keep_float": ["heads"]}, "rounded to int8, heads left in float"),
    "distill": ({"schedule": {"steps": 4000}}, "trained 4000 steps on the teacher's maps"),
    "fit_heads": ({}, "its last layers fitted to the teacher's maps"),
}


@pytest.mark.parametrize("name", [str(kind.model_fields["step"].default) for kind in STEPS])
def test_every_step_is_told_in_words(name: str) -> None:
    assert name in SAID, "say in compress/results/step_text.py what the new step does, and here what is said"
    settings, words = SAID[name]
    assert described_steps([{"step": name, **settings}]).startswith(words)


def test_a_step_of_another_version_is_told_by_its_settings() -> None:
    assert described_steps([{"step": "fold", "times": 2}]) == "fold(times=2)"
    assert described_steps([{"step": "remove_stages", "leave": 2}]) == "remove_stages(leave=2)"
    assert recipe_text(stage_records()[0]) == "the teacher itself"


def test_the_still_picture_shows_those_that_do_not_rank_apart() -> None:
    plot = report_facts([search_run()]).runs[0].explorer
    assert plot is not None
    kinds = [point.kind for point, _, _ in plot.shown()]
    assert kinds.count("screened") >= 15 and kinds.count("start") == len(STARTS) and kinds.count("infeasible") >= 2
    assert all(point.ranks for point, _, _ in plot.front())
    assert pareto_png(plot).startswith(b"\x89PNG")


def test_a_reader_who_wants_other_limits_is_told_how() -> None:
    (section,) = [one for one in text_of(search_run()).sections if one.title == "Recommended model"]
    assert "--budget" in repr(section.blocks)
    told = text_of(replace(search_run(), budget=("latency_ratio <= 0.4",))).sections[0]
    assert "--budget" not in repr(told.blocks)
