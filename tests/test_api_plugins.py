"""Parts of another package, installed as one: they are found, run, recorded and reported; a broken one is named."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from compress_children import call_beside
from compress_tiny_run import records, rows

from teachers.common.plugins import PluginError

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "example-plugin"


def install(source: Path, target: Path) -> None:
    """As `pip install` would, into a folder of its own and without a network."""
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(source)], check=True, timeout=300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of the documents, installed."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLE, folder / "source")
    install(folder / "source", folder / "packages")
    return folder / "packages"


def test_the_document_shows_the_files_as_they_are() -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", text, re.DOTALL)
    sources = [path.read_text() for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".toml")]
    assert len(blocks) == 6
    for block in blocks:
        assert any(block.rstrip() in source for source in sources), block
    assert len(text.splitlines()) <= 250


RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 3}}
scales: [0.25]
candidates:
  - name: rounded
    steps:
      - {{step: round_weights, mantissa_bits: 3}}
  - name: pruned
    steps:
      - {{step: prune_weights, sparsity: 0.5}}
measure:
  latency: {{threads: 1, rounds: 3, extra_runtimes: [onnxruntime-plain]}}
  memory: false
  energy: false
  zero_weights: {{tolerance: 0.0}}
objectives: [zero_weights_share, joint_rel_l2]
goals: [zero_weights_share >= 0.4]
tracking: lines
"""


@pytest.fixture(scope="module")
def out(installed: Path, tiny_run: "TinyRun", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run with the parts of the example left."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "r.yaml").write_text(RECIPE.format(teacher=tiny_run.teacher, source=tiny_run.photos))
    words = ["run", str(folder / "r.yaml"), "--out", str(folder / "out")]
    assert call_beside(installed, words, folder / "log") == 0, (folder / "log").read_text()
    return folder / "out"


def test_the_parts_of_another_package_are_run_recorded_and_reported(out: Path) -> None:
    found = {row["name"]: row for row in rows(out)}
    assert list(found) == ["teacher", "rounded", "pruned"]
    assert float(found["teacher"]["zero_weights_share"]) < 0.01 and float(found["pruned"]["zero_weights_share"]) >= 0.45
    assert found["pruned"]["on_front"] == "true", "its column is an objective"
    assert 0 < float(found["rounded"]["joint_rel_l2"]) < 0.5 and found["rounded"]["steps"].startswith("round_weights(")
    kept = {record["name"]: record["measurement"]["zero_weights"] for record in records(out)}
    assert kept["pruned"]["zeros"] > 0.4 * kept["pruned"]["weights"]
    report = (out / "report.md").read_text()
    assert "Zero weights" in report and "Weights of convolutions that are zero" in report
    assert "onnxruntime-plain" in (out / "latency.csv").read_text()
    told = (out / "tracking/lines/lines.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in told] == ["teacher", "rounded", "pruned"]


def test_the_records_of_a_metric_that_is_not_installed_can_still_be_read(out: Path) -> None:
    from compress.measure.metrics import METRICS
    from compress.results.records import read_records

    assert "zero_weights" not in METRICS
    found = read_records(out / "records.jsonl")
    assert [record.name for record in found] == ["teacher", "rounded", "pruned"]
    assert found[0].model_dump(mode="json")["measurement"]["zero_weights"]["zeros"] == 0


def test_what_another_package_adds_is_checked_like_our_own(
    installed: Path, tiny_run: "TinyRun", tmp_path: Path
) -> None:
    recipe = tmp_path / "r.yaml"
    text = RECIPE.format(teacher=tiny_run.teacher, source=tiny_run.photos)
    text = text.replace("mantissa_bits: 3", "mantissa_bits: 30").replace("tolerance: 0.0", "tolerence: 0.0")
    # A backbone of the package, and nothing wrong with it.
    swap = "  - name: swapped\n    steps: [{step: swap_backbone, backbone: vgg11, width: 0.1, feature_channels: 8}]\n"
    text = text.replace("measure:\n", f"{swap}measure:\n")
    recipe.write_text(text.replace("zero_weights_share, joint", "zero_weights_shares, joint"))
    log = tmp_path / "log"
    assert call_beside(installed, ["check", str(recipe)], log) == 2
    said = log.read_text()
    assert "r.yaml:7 candidates.0.steps.0.mantissa_bits: must be at most 23, got 30" in said
    assert "measure.zero_weights.tolerence: unknown key (did you mean tolerance?)" in said
    assert "got 'zero_weights_shares' (did you mean zero_weights_share?)" in said
    assert "candidates.2" not in said and "vgg11" not in said


BROKEN = {
    "cannot be imported": (
        "import nothing_like_it\n",
        "ModuleNotFoundError: No module named 'nothing_like_it'",
    ),
    "is something else": ("Part = 3\n", "expected a class derived from compress.measure.base.Metric, got 3"),
    "is named like ours": (
        "from compress.measure.size import SizeMetric\n\n\nclass Part(SizeMetric):\n    pass\n",
        "the name 'size' is taken",
    ),
}


def broken_package(kind: str, folder: Path) -> Path:
    """A folder in which the package lies as pip leaves one."""
    notes = folder / "broken_package-1.2.dist-info"
    notes.mkdir(parents=True)
    (folder / "broken_part.py").write_text(BROKEN[kind][0])
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.2\n")
    (notes / "entry_points.txt").write_text("[compress.metrics]\npart = broken_part:Part\n")
    return folder


REFUSAL = "package broken-package 1.2: entry point part = broken_part:Part of compress.metrics: "


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(broken_package(kind, tmp_path / "packages")))
    monkeypatch.delitem(sys.modules, "broken_part", raising=False)
    with pytest.raises(PluginError) as refused:
        runpy.run_module("compress.measure.metrics")  # the list is made when the module is read
    assert str(refused.value).startswith(REFUSAL) and BROKEN[kind][1] in str(refused.value)


def test_a_command_beside_a_broken_package_ends_without_traceback(tiny_run: "TinyRun", tmp_path: Path) -> None:
    packages, log = broken_package("cannot be imported", tmp_path / "packages"), tmp_path / "log"
    assert call_beside(packages, ["check", str(tiny_run.recipe)], log) == 2
    said = log.read_text()
    assert "Traceback" not in said and REFUSAL in said and BROKEN["cannot be imported"][1] in said
