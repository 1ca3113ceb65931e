"""Losses on features, each against its equation written another way, and against what it should not see."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress.training.feature_losses import TEMPERATURE, ChannelWise, FeatureLoss, Hints, Pearson
from compress.training.losses import LossSettings


def _features(seed: int) -> Tensor:
    return torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", [Hints(), ChannelWise(), Pearson()])
def test_equal_features_cost_nothing_and_others_something(loss: nn.Module) -> None:
    assert float(loss(_features(0), _features(0))) == pytest.approx(0, abs=1e-6)
    assert float(loss(_features(1), _features(0))) > 0.01


def test_hints_are_relative_to_the_teachers_size() -> None:
    assert float(Hints()(torch.zeros(2, 5, 6, 7), _features(0))) == pytest.approx(1)


def test_channel_wise_is_the_divergence_of_two_distributions_over_cells() -> None:
    student, teacher = _features(1), _features(0)
    total = 0.0
    for image in range(2):
        for channel in range(5):
            p, q = (np.exp(x[image, channel].double().numpy() / TEMPERATURE) for x in (teacher, student))
            p, q = p / p.sum(), q / q.sum()
            total += float((p * np.log(p / q)).sum())
    assert float(ChannelWise()(student, teacher)) == pytest.approx(TEMPERATURE**2 * total / 10, rel=1e-5)
    brighter = teacher + torch.arange(5.0).reshape(1, 5, 1, 1)
    assert float(ChannelWise()(brighter, teacher)) == pytest.approx(0, abs=1e-5)


def test_pearson_is_one_minus_the_mean_correlation_of_channels() -> None:
    student, teacher = _features(1), _features(0)
    pairs = [[x.transpose(0, 1)[channel].flatten().numpy() for x in (student, teacher)] for channel in range(5)]
    correlations = [np.corrcoef(*pair)[0, 1] for pair in pairs]
    assert float(Pearson()(student, teacher)) == pytest.approx(1 - np.mean(correlations), rel=1e-5)
    assert float(Pearson()(3 * teacher + 2, teacher)) == pytest.approx(0, abs=1e-5)
    assert float(Pearson()(-teacher, teacher)) == pytest.approx(2, rel=1e-5)


def test_a_dead_channel_gives_numbers() -> None:
    student = _features(1)
    student[:, 0] = 0.0
    student.requires_grad_()
    loss = Pearson()(student, _features(0))
    loss.backward()
    assert torch.isfinite(loss) and student.grad is not None and torch.isfinite(student.grad).all()


def test_weights_add_up_and_left_out_losses_do_not_count() -> None:
    student, teacher = torch.randn(2, 3, 6, 7), _features(0)
    whole = FeatureLoss(LossSettings(hints=0.5, cwd=2.0, pkd=3.0), 3, 5)
    seen = whole.regressor(student)
    parts = 0.5 * Hints()(seen, teacher) + 2 * ChannelWise()(seen, teacher) + 3 * Pearson()(seen, teacher)
    torch.testing.assert_close(whole(student, teacher), parts)
    alone = FeatureLoss(LossSettings(pkd=1.0), 3, 5)
    torch.testing.assert_close(alone(student, teacher), Pearson()(alone.regressor(student), teacher))
    assert LossSettings().feature_weights == {} and LossSettings(cwd=2.0).feature_weights == {"cwd": 2.0}
