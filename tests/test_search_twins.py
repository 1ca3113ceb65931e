"""The recipes for searches that are shipped, as they stand, on a tiny teacher and photographs, in seconds.

Choices, names and steps are the recipe's own; what makes them long is cut: frames, scales, training, how many trials.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from compress_tiny_run import make_photos, records
from conftest import LICENCE
from search_tiny import entries, facts
from training_targets import tiny_teacher

from compress.cli.main import run_command
from teachers.checkpoint import save_model

pytestmark = pytest.mark.usefixtures("without_pictures")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search-twins")
    save_model(folder / "teacher", tiny_teacher(), LICENCE)
    make_photos(folder / "photos", 4)
    return folder


def twin(name: str, here: Path) -> dict[str, Any]:
    """The recipe, made short."""
    small: dict[str, Any] = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text())
    photos = str(here / "photos")
    small |= {"teacher": str(here / "teacher"), "scales": [0.25], "objectives": ["macs", "joint_rel_l2"]}
    small["data"] |= {"source": photos, "images": 1}
    small["measure"] = {"latency": False, "memory": False}
    if "training" in small:
        small["training"] |= {"data": [{"source": photos}], "scales": [0.25], "val_frames": 1}
    _shorten(small["search"]["vary"])
    return small


def _shorten(tree: Any) -> None:
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _shorten(item)
    if not isinstance(tree, dict):
        return
    if tree.get("step") == "remove_stages":
        tree["stages"] = {"int": [1, 3]}  # the tiny teacher has three stages
    if tree.get("step") == "prune_channels":
        tree |= {"round_to": 2, "pruning_ratio": {"float": [0.3, 0.5], "step": 0.1}}
    if tree.get("step") == "distill":
        tree["ignore_border"] = 1
        tree["schedule"] |= {
            "steps": {"any": [2, 4]}, "batch_size": 2, "crop": [64, 80], "validate_every": 2, "warmup": 0
        }  # fmt: skip


def searched(small: dict[str, Any], tmp_path: Path) -> Path:
    (tmp_path / "twin.yaml").write_text(yaml.safe_dump(small, sort_keys=False))
    assert run_command(["search", str(tmp_path / "twin.yaml"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_search_stages(here: Path, tmp_path: Path) -> None:
    small = twin("search_stages", here)
    small["search"] |= {"trials": 4}
    small["tracking"] = "jsonl"
    out = searched(small, tmp_path)
    assert {path.name for path in (out / "tracking").iterdir()} == {"worker-0", "search"}
    found = facts(out)["trials"]
    assert len(found) == 4 and {trial["state"] for trial in found} == {"complete"}
    # The plain stage table is run at the scales of the reference, which is no choice of this search.
    chosen = [trial for trial in found if trial["choices"]]
    assert chosen and all({"remove_stages.stages", "channels", "look"} <= set(trial["choices"]) for trial in chosen)
    narrower = [trial for trial in chosen if trial["choices"]["channels"] == "narrower"]
    assert all("prune_channels.pruning_ratio" in trial["choices"] for trial in narrower)
    assert all(record["error"] is None for record in records(out))


def test_search_mobile_trains_the_promising_only(here: Path, tmp_path: Path) -> None:
    small = twin("search_mobile", here)
    small["search"] |= {"trials": 3, "rungs": [0, 1], "constraints": []}
    out = searched(small, tmp_path)
    found = facts(out)["trials"]
    trained = next(trial for trial in found if trial["choices"].get("backbone") == "another")
    assert (trained["state"], trained["rung"], trained["is_start"]) == ("complete", 1, True), trained["error"]
    steps = [entry for entry in entries(out) if entry.root == trained["number"] and entry.counts]
    assert [(entry.state, entry.notes.rung) for entry in steps] == [("screened", 0), ("complete", 1)]
    names = [record["name"] for record in records(out)]
    assert trained["candidate"] in names and not [name for name in names if "rung" in name]
    assert [path.name for path in (out / "candidates").iterdir() if "rung" in path.name] == []
    (record,) = [record for record in records(out) if record["name"] == trained["candidate"]]
    assert [note["kind"] for note in record["notes"]] == ["training"]
    first_look = yaml.safe_load((out / "trials" / f"{trained['candidate']}-rung-0" / "recipe.yaml").read_text())
    assert "distill" not in [step["step"] for step in first_look["candidates"][0]["steps"]]
