"""What a frame needs of a network, and what the sum of it costs beside the reference."""

import pytest

from compress.measure.clip_use import ClipUse
from compress.measure.inference_parts import Part, parts_of
from eval.inference import Inference, Redetect, Roi
from eval.latency import Round, summarise_sums

HW = (720, 1280)
ROI = Roi(size=(256, 192), redetect=Redetect(scale=0.5, every_s=2.0))


def test_scales_are_inputs_of_the_whole_frame() -> None:
    assert parts_of(Inference(scales=(0.5, 1.0)), HW, 8, None) == (
        Part("scale", 0.5, (184, 328), 1.0), Part("scale", 1.0, (368, 656), 1.0),
    )  # fmt: skip


def test_without_a_clip_a_person_needs_a_window_and_a_pass_every_so_often() -> None:
    window, full = parts_of(Inference(roi=ROI), HW, 8, None)
    assert window == Part("window", None, (256, 192), 1.0)
    assert (full.kind, full.scale, full.size) == ("full_frame", 0.5, (184, 328))
    assert full.per_frame == pytest.approx(1 / 60)


@pytest.mark.parametrize(("people", "windows"), [(None, 1.1), (1, 1.1), (2, 2.2)])
def test_on_a_clip_both_are_counted(people: int | None, windows: float) -> None:
    use = ClipUse(frames=50, people=100, windows=110, passes=4, decoding_ms=1.0)
    roi = ROI.model_copy(update={"people": people})
    window, full = parts_of(Inference(roi=roi), HW, 8, use)
    assert window.per_frame == pytest.approx(windows) and full.per_frame == 4 / 50


def test_a_clip_without_people_costs_its_windows_and_passes() -> None:
    use = ClipUse(frames=50, people=0, windows=5, passes=25, decoding_ms=1.0)
    window, full = parts_of(Inference(roi=ROI), HW, 8, use)
    assert (window.per_frame, full.per_frame) == (0.1, 0.5)


def test_a_weighted_sum_is_compared_with_the_references_in_the_same_round() -> None:
    rounds = [
        Round(0.0, {"small": 0.010 * drift, "large": 0.090 * drift, "window": 0.005 * drift}, False, 0)
        for drift in (1.0, 3.0, 1.5, 1.0)
    ]
    sums = {"": {"small": 1.0, "large": 1.0}, "one": {"window": 2.0, "small": 0.5}}
    found = summarise_sums(rounds, sums, "", seed=0)
    assert found["one"].ratio == pytest.approx(0.15) and found[""].ratio == 1.0
    ends = found["one"].ratio_ci_low, found["one"].ratio_ci_high
    assert ends == pytest.approx((0.15, 0.15)), "drift meets both alike"
    assert found["one"].median_ms == pytest.approx(1.25 * 15.0)
    with pytest.raises(ValueError, match="no round"):
        summarise_sums([], sums, "", seed=0)
