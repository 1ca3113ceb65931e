"""Everything that can be wrong with a search, and the line that each mistake gets."""

from pathlib import Path

import pytest
from compress_recipe_text import mistakes

from compress.cli.main import run_command
from compress.recipe.loader import load_recipe, stored_recipe
from compress.search.storage_url import checked, hidden, without_secrets
from teachers.common.errors import UserError

pytestmark = pytest.mark.usefixtures("without_pictures")

GOOD = """\
teacher: openpose-mobilenet-thin
data: {source: sports2d-demo, images: 4}
candidates:
  - name: base
    steps:
      - {step: remove_stages, stages: 3}
measure: {latency: false}
objectives: [macs, joint_rel_l2]
search:
  vary:
    candidates.0.steps:
      - any:
          own: []
          other: [{step: swap_backbone, backbone: {any: [repvgg, alexnet]}, width: {float: [0.25, 1.0], step: 0.25}}]
        name: backbone
      - {step: remove_stages, stages: {int: [1, 5]}}
  enqueue:
    - {backbone: own, remove_stages.stages: 2}
"""
VARY = "search.vary.'candidates.0.steps'"
BAD = {
    "a path that is not there": (
        ("candidates.0.steps:", "candidates.0.stepz:"),
        "x.yaml:11 search.vary.'candidates.0.stepz': a recipe has no such path (did you mean candidates.0.steps?)",
    ),
    "a position that is not there": (
        ("candidates.0.steps:", "candidates.1.steps:"),
        "x.yaml:11 search.vary.'candidates.1.steps': a recipe has no such path; the positions of candidates are 0 to 0",
    ),
    "a path that judges": (
        ("candidates.0.steps:", "objectives: {any: [[macs], [params]]}\n    candidates.0.steps:"),
        "x.yaml:11 search.vary.objectives: changes nothing that is made or measured, so it cannot vary",
    ),
    "a teacher of its own for each trial": (
        ("candidates.0.steps:", "teacher: {any: [cmu-coco, openpose-thin]}\n    candidates.0.steps:"),
        "x.yaml:11 search.vary.teacher: decides what trials are measured against and how, so they would not compare; "
        "search teacher by one recipe each, and vary paths of candidates.0 or training",
    ),
    "a reference of its own for each trial": (
        ("candidates.0.steps:", "scales: {any: [[0.5], [1.0]]}\n    candidates.0.steps:"),
        "x.yaml:11 search.vary.scales: decides what trials are measured against and how, so they would not compare; "
        "search scales by one recipe each, and vary paths of candidates.0 or training",
    ),
    "frames of its own for each trial": (
        ("candidates.0.steps:", "data.seed: {int: [0, 3]}\n    candidates.0.steps:"),
        "x.yaml:11 search.vary.'data.seed': decides what trials are measured against and how, so they would not "
        "compare; search data by one recipe each, and vary paths of candidates.0 or training",
    ),
    "threads of its own for each trial": (
        ("candidates.0.steps:", "measure.latency.threads: {any: [1, 2]}\n    candidates.0.steps:"),
        "x.yaml:11 search.vary.'measure.latency.threads': decides what trials are measured against and how, so they "
        "would not compare; search measure by one recipe each, and vary paths of candidates.0 or training",
    ),
    "a path within another": (
        ("  enqueue:", "    candidates.0.steps.0.stages: {int: [1, 2]}\n  enqueue:"),
        "x.yaml:17 search.vary.'candidates.0.steps.0.stages': lies within candidates.0.steps, which varies as well; "
        "write the choice in there",
    ),
    "an empty range": (
        ("[1, 5]", "[5, 1]"),
        f"x.yaml:16 {VARY}.1.stages.int: is empty: 5 is above 1",
    ),
    "a value that no recipe can have": (
        ("[1, 5]", "[1, 9]"),
        f"x.yaml:16 {VARY}.1.stages.int: 9 makes no recipe: candidates.0.steps.0.stages: must lie in 1..6, the stages "
        "there are, got 9",
    ),
    "a misspelt option": (
        ("[repvgg, alexnet]", "[repvgg, alexnett]"),
        f"x.yaml:14 {VARY}.0.any.other.0.backbone.any.alexnett: 'alexnett' makes no recipe: "
        "candidates.0.steps.0.backbone: expected one of the names there are, got 'alexnett' (did you mean alexnet?)",
    ),
    "an objective that is never measured": (
        ("  enqueue:", "  objectives: [latency_ms, oks]\n  enqueue:"),
        "x.yaml:17 search.objectives.0: latency_ms is not measured, because measure.latency is false\n"
        "x.yaml:17 search.objectives.1: oks is not measured, because measure.kinematics is left out",
    ),
    "a constraint that is never measured": (
        ("  enqueue:", "  constraints: [latency_ratio <= 0.5]\n  enqueue:"),
        "x.yaml:17 search.constraints.0: latency_ratio <= 0.5 is not measured, because measure.latency is false",
    ),
    "a constraint that is none": (
        ("  enqueue:", "  constraints: [oks => 0.5]\n  enqueue:"),
        "x.yaml:17 search.constraints.0: write >= in place of =>, got 'oks => 0.5'",
    ),
    "a start that is misspelt": (
        ("backbone: own,", "backbones: own,"),
        "x.yaml:18 search.enqueue.0.backbones: no choice has this name (did you mean backbone?)",
    ),
    "a start beyond the range": (
        ("stages: 2}", "stages: 7}"),
        "x.yaml:18 search.enqueue.0.'remove_stages.stages': cannot be 7; there is 1 to 5",
    ),
    "more than one candidate": (
        ("name: base", "name: base-{stages}"),
        "x.yaml:3 candidates: a search varies one candidate, there are 2; leave `each` to search.vary",
    ),
    "rungs that fall": (
        ("  enqueue:", "  rungs: [0.5, 0.1, 1]\n  enqueue:"),
        "x.yaml:9 search: rungs: must rise and end with 1, the whole budget, got a mapping",
    ),
    "a sampler that is none": (
        ("  enqueue:", "  sampler: {kind: tpee}\n  enqueue:"),
        "x.yaml:17 search.sampler.kind: expected one of the names there are, got 'tpee' (did you mean tpe?)",
    ),
}


def test_the_good_one_is_right(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path)
    assert recipe.search is not None and stored_recipe(path) == recipe
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_search_says_where_and_what_would_do(kind: str) -> None:
    (old, new), expected = BAD[kind]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if kind == "more than one candidate":
        text = text.replace("stages: 3}", "stages: {each: [3, 2]}}")
    assert mistakes(text) == expected.split("\n")


def test_mistakes_of_different_places_are_told_together() -> None:
    text = GOOD.replace("[1, 5]", "[5, 1]").replace("images: 4", "image: 4").replace("[0.25, 1.0]", "[0.25]")
    assert [line.split(": ")[0] for line in mistakes(text)] == [
        "x.yaml:2 data.image", f"x.yaml:14 {VARY}.0.any.other.0.width.float", f"x.yaml:16 {VARY}.1.stages.int",
    ]  # fmt: skip


def call(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run_command(["search", *words])
    return code, capsys.readouterr().err


def test_a_recipe_without_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD[: GOOD.index("search:")])
    code, said = call([str(path), "--out", str(tmp_path / "out")], capsys)
    assert code == 2 and "has no `search`, so nothing varies" in said and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://me:hunter2@host/0", "expected sqlite:///FILE, postgresql://USER@HOST/DATABASE or journal:FILE"),
        ("hunter2", "expected sqlite:///FILE"),
        ("postgresql://me:hunter2@host:port/x", "is no URL of a database"),
        ("sqlite:////no/such/folder/x.sqlite3", "unable to open database file"),
        ("postgresql://me:hunter2@127.0.0.1:9/x", "refused"),
        ("postgresql://me:hun%74er2@127.0.0.1:9/x?password=hunter2", "refused"),
        ("journal:/no/such/folder/x", "denied|Read-only|No such file|Permission"),
    ],
)
def test_a_storage_that_cannot_be_used(
    url: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)
    if url.startswith("journal:"):
        (tmp_path / "file").write_text("")
        url, expected = f"journal:{tmp_path}/file/x", "Not a directory|File exists"
    code, said = call([str(path), "--out", str(tmp_path / "out"), "--storage", url], capsys)
    assert code == 2, said
    assert any(part in said for part in expected.split("|")), said
    assert "hunter2" not in said.replace("got 'hunter2'", "") and "hun%74er2" not in said
    everything = "".join(p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file())
    assert "hunter2" not in everything and "Traceback" not in said


def test_passwords_are_hidden_in_every_spelling() -> None:
    url = "postgresql://me:p%40ss:w/rd@host:5432/db?sslmode=require&password=se+cret"
    assert hidden(url) == "postgresql://me:***@host:5432/db?sslmode=require&password=***"
    assert without_secrets("tried p@ss:w/rd, p%40ss:w/rd and se+cret", url) == "tried ***, *** and ***"
    assert hidden("postgresql://me@host/db") == "postgresql://me@host/db"
    assert hidden("sqlite:///a@b.sqlite3") == "sqlite:///a@b.sqlite3"


def test_urls_get_their_driver(tmp_path: Path) -> None:
    assert checked("postgresql://me@host/db", tmp_path) == "postgresql+psycopg://me@host/db"
    assert checked("postgresql+psycopg2://me@host/db", tmp_path) == "postgresql+psycopg2://me@host/db"
    assert checked(None, tmp_path) == f"sqlite:///{tmp_path.resolve()}/study.sqlite3"
    with pytest.raises(UserError, match="expected sqlite"):
        checked("study.sqlite3", tmp_path)


@pytest.mark.parametrize(
    "words", [["--trials", "0"], ["--workers", "x"], ["--time-limit", "nan"], ["--time-limit", "-1"]]
)
def test_numbers_that_are_none(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_command(["search", "x.yaml", *words])
    assert stopped.value.code == 2 and "expected" in capsys.readouterr().err
