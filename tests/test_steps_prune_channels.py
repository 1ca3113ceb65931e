"""prune_channels: how many channels go from where, and what a recipe may ask for."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from compress_recipe_text import changed, load, mistakes
from compress_tiny_run import TinyRun, rows
from conftest import LICENCE, tiny_spec

from compress.cli.main import run_command
from compress.core.candidate import Candidate
from compress.pruning.allocation import Search, Shares, greedy, part_names, rounded, strongest, uniform, uniform_to_macs
from compress.pruning.channel_graph import Convolution, Layout, read_layout
from compress.pruning.importance import Scores
from compress.pruning.latency_table import LatencyTable, TableConditions, open_table, timer_of
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from compress.steps.prune_channels import PruneChannels
from eval.size import count_macs
from teachers.checkpoint import load_model
from teachers.openpose_thin import spec as thin_spec
from teachers.posenet import PoseNet

pytestmark = pytest.mark.usefixtures("without_pictures")

HW = (368, 656)
CONTEXT = StepContext(seed=0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks are slower with more, and far slower on a machine that does something else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def layout() -> Layout:
    return read_layout(thin_spec(), HW)


@pytest.fixture
def scores(layout: Layout) -> Scores:
    """Channel n of every group matters n + 1."""
    return {group.name: torch.arange(1.0, group.width + 1) for group in layout.groups}


@pytest.mark.parametrize(
    ("width", "ratio", "round_to", "stays"),
    [
        (64, 0.5, 8, 32),
        (64, 0.3, 8, 48),  # 44.8 is nearer to 48 than to 40
        (64, 0.4, 8, 40),  # 38.4
        (24, 0.5, 8, 16),  # 12 lies between: the wider
        (24, 0.1, 8, 24),  # 21.6
        (64, 0.99, 8, 8),  # never empty
        (64, 0.99, 16, 16),
        (6, 0.5, 8, 6),  # not wider than a block: as it is
        (20, 0.05, 8, 16),  # 19, down to a multiple
        (23, 0.05, 8, 23),  # up to a multiple would be more than there are
        (23, 0.0, 8, 23),
        (10, 0.25, 1, 8),
    ],
)
def test_counts_are_rounded(width: int, ratio: float, round_to: int, stays: int) -> None:
    assert rounded(width, ratio, round_to) == stays


def test_the_most_specific_part_counts(layout: Layout) -> None:
    assert part_names("stages.1.paf.3") == ("stage_2.paf", "stage_2", "paf", "stages")
    parts = {"stages": 0.5, "paf": 0.25, "stage_2": 0.0, "stage_2.paf": 0.75}
    counts = uniform(layout, Shares(0.0, parts), 8)
    assert counts["backbone.layers.4"] == 192
    assert counts["stages.0.heatmap.0"] == 32
    assert counts["stages.0.paf.0"] == 48
    assert counts["stages.1.heatmap.0"] == 64
    assert counts["stages.1.paf.0"] == 16


@pytest.mark.parametrize("share", [0.75, 0.5, 0.25])
def test_a_share_of_macs_is_met_closely(layout: Layout, share: float) -> None:
    whole = layout.macs(layout.widths)
    counts = uniform_to_macs(layout, share * whole, {}, 8)
    assert 0.97 * share * whole < layout.macs(layout.narrowed(counts)) <= share * whole
    assert all(count % 8 == 0 for count in counts.values())


def test_macs_that_cannot_be_reached_are_refused() -> None:
    with pytest.raises(
        SettingError, match=r"target_macs: 0\.001 of 7,542,951,384 cannot be reached: \d+,\d+,\d+ is the least"
    ):
        PruneChannels(target_macs=0.001).check(thin_spec())


def test_by_importance_goes_what_matters_least(layout: Layout, scores: Scores) -> None:
    scores["backbone.layers.6"] = torch.cat([torch.full((192,), 1e-3), torch.ones(192)])
    limit = 0.97 * layout.macs(layout.widths)
    counts = greedy(Search(layout, scores, 8, {"stages.0.paf.0": 64}, lambda widths: layout.macs(widths) <= limit))
    assert layout.macs(layout.narrowed(counts)) <= limit
    assert counts["stages.0.paf.0"] == 64
    # What matters a thousandth goes first, and it is enough.
    assert {name for name, count in counts.items() if count < layout.widths[name]} == {"backbone.layers.6"}
    assert 192 <= counts["backbone.layers.6"] < 384


def test_by_price_goes_what_saves_most(layout: Layout, scores: Scores) -> None:
    """A runtime in which only one layer costs anything."""

    def price(convolution: Convolution, seen: int, made: int) -> float:
        return float(made) if convolution.name == "backbone.layers.9.conv" else 1.0

    limit = 0.99 * layout.macs(layout.widths)
    counts = greedy(Search(layout, scores, 8, {}, lambda widths: layout.macs(widths) <= limit), price)
    assert {name for name, count in counts.items() if count < layout.widths[name]} == {"backbone.layers.9"}


def test_a_search_that_gets_nowhere_ends(layout: Layout, scores: Scores) -> None:
    with pytest.raises(ValueError, match="nothing is left to take away"):
        greedy(Search(layout, scores, 8, {}, lambda widths: False))
    with pytest.raises(ValueError, match="nothing is left to take away"):
        greedy(Search(layout, scores, 8, {}, lambda widths: False), lambda *_: 1.0)


def test_the_least_important_go() -> None:
    assert strongest(torch.tensor([3.0, 1.0, 2.0, 1.0]), 2) == [1, 3]
    assert strongest(torch.tensor([1.0, 1.0, 1.0]), 2) == [2]


BAD = {
    "ratio 0": ("pruning_ratio: 0.0", "pruning_ratio: must be more than 0, got 0.0"),
    "ratio 1": ("pruning_ratio: 1.0", "pruning_ratio: must be less than 1, got 1.0"),
    "negative": ("pruning_ratio: -0.5", "pruning_ratio: must be more than 0, got -0.5"),
    "nan": ("pruning_ratio: .nan", "pruning_ratio: "),
    "macs 1": ("target_macs: 1.0", "target_macs: must be less than 1, got 1.0"),
    "part 1": ("pruning_ratios: {backbone: 1.0}", "pruning_ratios.backbone: must be less than 1, got 1.0"),
    "both": ("pruning_ratio: 0.5\n        target_macs: 0.5", "give `pruning_ratio` or `target_macs`, not both"),
    "neither": ("round_to: 8", "the amount is missing"),
    "no such part": ("pruning_ratios: {stage_7: 0.5}", "no part that can be pruned is called 'stage_7'"),
    "round_to 0": ("pruning_ratio: 0.5\n        round_to: 0", "round_to: must be at least 1, got 0"),
    "too little": ("pruning_ratio: 0.01", "pruning_ratio: nothing would go: rounded to multiples of 8"),
    "too much": ("target_macs: 0.0001", "target_macs: 0.0001 of"),
    "importance": (
        "pruning_ratio: 0.5\n        importance: magnitud",
        "importance: expected one of the names there are",
    ),
}


@pytest.mark.parametrize(("written", "says"), BAD.values(), ids=BAD.keys())
def test_a_recipe_that_cannot_work_is_refused(written: str, says: str) -> None:
    text = changed(
        "- step: remove_stages\n        stages: {each: [5, 4]}", f"- step: prune_channels\n        {written}"
    )
    (line,) = mistakes(text.replace("-{stages}", ""))
    assert line.startswith("x.yaml:1") and says in line


def test_a_recipe_takes_every_ratio_in_turn() -> None:
    written = (
        "- {step: remove_stages, stages: 3}\n      - step: prune_channels\n        pruning_ratio: {each: [0.25, 0.5]}"
    )
    recipe = load(
        changed("- step: remove_stages\n        stages: {each: [5, 4]}", written).replace("{stages}", "{pruning_ratio}")
    )
    assert [candidate.name for candidate in recipe.candidates] == ["stages-0.25", "stages-0.5"]


def test_the_real_teacher_at_a_ratio_of_a_third(teacher: PoseNet) -> None:
    step = PruneChannels(pruning_ratio=0.3)
    made = step.apply(Candidate.of(teacher, LICENCE), CONTEXT)
    assert made.spec == step.check(teacher.spec)
    assert [layer.channels for layer in made.spec.backbone.layers[:3]] == [16, 32, 64]  # type: ignore[union-attr]
    assert made.spec.feature_channels == 64 + 272 + 272
    assert count_macs(made.spec, HW) / count_macs(teacher.spec, HW) == pytest.approx(0.537, abs=1e-3)
    with torch.no_grad():
        maps = made.network(torch.rand(1, 3, 64, 80) * 255)
    assert (maps.heatmaps.shape, maps.pafs.shape) == ((1, 19, 8, 10), (1, 38, 8, 10))


@pytest.mark.parametrize("importance", ["weight_norm_product", "magnitude", "random"])
def test_every_importance_keeps_as_many_and_others(tiny: PoseNet, importance: str) -> None:
    step = PruneChannels.model_validate({"pruning_ratio": 0.5, "round_to": 2, "importance": importance})
    made = step.apply(Candidate.of(tiny, LICENCE), CONTEXT)
    assert made.spec == PruneChannels(pruning_ratio=0.5, round_to=2).check(tiny.spec)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path))
    return tmp_path / "latency"


def conditions() -> TableConditions:
    return TableConditions("onnxruntime", "0", 1, "a made-up one")


class BlocksOf16:
    """A runtime that computes 16 channels at once, and is disturbed now and then."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, convolution: Convolution, channels: tuple[int, int]) -> float:
        self.asked.append(channels)
        seen, made = (-(-count // 16) for count in channels)
        return float(made if convolution.makes is None else seen * made) + (5.0 if len(self.asked) % 50 == 0 else 0.0)


def test_widths_by_latency_suit_the_runtime(cache: Path, layout: Layout, scores: Scores) -> None:
    table = LatencyTable(conditions(), BlocksOf16())
    step = PruneChannels(target_macs=0.5, allocation="latency")
    chosen = step.choose(layout, scores, table)
    even = PruneChannels(target_macs=0.5).choose(layout, scores).counts
    assert layout.macs(layout.narrowed(chosen.counts)) <= 0.5 * layout.macs(layout.widths)
    assert chosen.predicted_ms == pytest.approx(table.network_ms(layout, layout.narrowed(chosen.counts)))
    assert chosen.parent_predicted_ms is not None and chosen.predicted_ms is not None
    assert chosen.predicted_ms < table.network_ms(layout, layout.narrowed(even)) < chosen.parent_predicted_ms
    assert step.choose(layout, scores, table).counts == chosen.counts
    assert [path.name for path in cache.iterdir()] == [table.conditions.path().name]


def test_a_narrower_layer_is_never_slower(layout: Layout) -> None:
    times = iter([4.0, 9.0, 3.0])
    table = LatencyTable(conditions(), lambda *_: next(times))
    pointwise = next(one for one in layout.convolutions if one.name == "backbone.layers.9.conv")
    assert [table.time_ms(pointwise, 64, 64), table.time_ms(pointwise, 64, 48), table.time_ms(pointwise, 32, 48)] == [
        4,
        4,
        3,
    ]
    assert table.time_ms(pointwise, 64, 48) == 4.0 and table.measured == 3


def test_a_table_is_measured_once(cache: Path, layout: Layout) -> None:
    small = next(one for one in layout.convolutions if one.name == "stages.5.paf.4.conv")
    depthwise = next(one for one in layout.convolutions if one.name == "stages.5.paf.4.depthwise")
    table = open_table("onnxruntime", 1)
    found = [table.time_ms(small, 64, 38), table.time_ms(depthwise, 64, 64)]
    assert all(0 < ms < 1000 for ms in found)
    table.save()
    again = open_table("onnxruntime", 1)
    assert [again.time_ms(small, 64, 38), again.time_ms(depthwise, 64, 64)] == found and not again.measured
    other = open_table("onnxruntime", 2)
    assert not other.times_ms and other.conditions.path() != table.conditions.path()


SPOILT: Mapping[str, object] = {
    "of another CPU": {"conditions": {"cpu": "another"}},
    "of another format": {"format": 0},
    "a time below zero": {"times_ms": {"dense": {"8>8": -1.0}}},
    "no time": {"times_ms": {"dense": {"8>8": "fast"}}},
    "no width": {"times_ms": {"dense": {"wide": 1.0}}},
    "no table": {"times_ms": [1]},
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT.keys())
def test_a_spoilt_table_counts_as_none(cache: Path, change: dict[str, object]) -> None:
    here = TableConditions.here("onnxruntime", 1)
    good = {"format": 1, "conditions": vars(here), "times_ms": {"dense": {"8>8": 1.0}}}
    here.path().parent.mkdir(parents=True, exist_ok=True)
    here.path().write_text(json.dumps(good))
    assert open_table("onnxruntime", 1).times_ms == {"dense": {"8>8": 1.0}}
    here.path().write_text(json.dumps(good | change))
    assert open_table("onnxruntime", 1).times_ms == {}
    here.path().write_text(json.dumps(good)[:-5])
    assert open_table("onnxruntime", 1).times_ms == {}


def test_every_layer_can_be_timed_alone() -> None:
    layout = read_layout(tiny_spec(), (32, 40))
    timer = timer_of("onnxruntime", 1)
    assert layout.convolutions
    for convolution in layout.convolutions:
        assert timer(convolution, convolution.channels(layout.widths)) > 0


def test_a_run_prunes_after_removing_stages(tiny_run: TinyRun, tmp_path: Path) -> None:
    """From the command line's front door; on disk lies what was asked for."""
    recipe = tmp_path / "x.yaml"
    recipe.write_text(f"""\
teacher: {tiny_run.teacher}
data: {{source: {tiny_run.photos}, images: 1}}
scales: [0.25]
candidates:
  - name: narrow
    steps:
      - {{step: remove_stages, stages: 2}}
      - {{step: prune_channels, pruning_ratio: 0.3, round_to: 2}}
measure: {{latency: false, memory: false}}
objectives: [params, joint_rel_l2]
""")
    assert run_command(["run", str(recipe), "--out", str(tmp_path / "out")]) == 0
    network, _ = load_model(tmp_path / "out" / "candidates" / "narrow")
    assert len(network.spec.stages) == 2 and network.spec.feature_channels == 4 + 6
    steps = [row["steps"] for row in rows(tmp_path / "out")]
    assert steps == ["", "remove_stages(stages=2) > prune_channels(pruning_ratio=0.3, round_to=2)"]
