"""The losses against a plain double loop over cells and channels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from compress.training.feature_losses import FeatureLoss
from compress.training.losses import Energies, LossSettings, StagesLoss, Targets
from teachers.posenet import Maps

N, JOINTS, LIMBS, ROWS, COLUMNS = 2, 3, 2, 4, 5
ENERGIES = Energies(joints=0.5, background=2.0, pafs=0.25)
ALONE = {"joints": 0.0, "background": 0.0, "pafs": 0.0}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def made_up(seed: int) -> Maps:
    draw = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(N, JOINTS + 1, ROWS, COLUMNS, generator=draw)
    return Maps(heatmaps, torch.rand(N, 2 * LIMBS, ROWS, COLUMNS, generator=draw) - 0.5)


def targets(seed: int = 0, mask: torch.Tensor | None = None) -> Targets:
    return Targets(made_up(seed), torch.ones(N, ROWS, COLUMNS) if mask is None else mask)


def by_hand(stages: list[Maps], wanted: Targets, settings: LossSettings, energies: Energies) -> float:
    """Equations (1) and (2), a cell and a channel at a time, in double precision."""
    heat, pafs = (np.asarray(part, dtype=np.float64) for part in wanted.maps)
    total = 0.0
    for maps in stages:
        ours, ours_pafs = (np.asarray(part, dtype=np.float64) for part in maps)
        for n in range(N):
            for y in range(ROWS):
                for x in range(COLUMNS):
                    counts = float(wanted.mask[n, y, x]) * (1 + settings.foreground * _seen(heat, pafs, (n, y, x)))
                    for joint in range(JOINTS):
                        apart = (ours[n, joint, y, x] - heat[n, joint, y, x]) ** 2
                        total += settings.joints / energies.joints * counts * apart
                    apart = (ours[n, JOINTS, y, x] - heat[n, JOINTS, y, x]) ** 2
                    total += settings.background / energies.background * counts * apart
                    for channel in range(2 * LIMBS):
                        apart = (ours_pafs[n, channel, y, x] - pafs[n, channel, y, x]) ** 2
                        total += settings.pafs / energies.pafs * counts * apart
    return total / (N * ROWS * COLUMNS)


def _seen(heat: NDArray[np.float64], pafs: NDArray[np.float64], cell: tuple[int, int, int]) -> float:
    n, y, x = cell
    limbs = [np.hypot(pafs[n, 2 * limb, y, x], pafs[n, 2 * limb + 1, y, x]) for limb in range(LIMBS)]
    return float(min(1.0, max(*heat[n, :JOINTS, y, x], *limbs)))


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("foreground", [0.0, 2.5])
def test_it_is_the_sum_that_the_equations_say(stages: int, foreground: float) -> None:
    settings = LossSettings(joints=0.7, background=0.3, pafs=1.5, foreground=foreground)
    mask = torch.rand(N, ROWS, COLUMNS, generator=torch.Generator().manual_seed(9)).round()
    assert 0 < float(mask.mean()) < 1
    found, wanted = [made_up(seed) for seed in range(1, 1 + stages)], targets(0, mask)
    loss = StagesLoss(settings, ENERGIES)(found, wanted)
    assert float(loss) == pytest.approx(by_hand(found, wanted, settings, ENERGIES), rel=1e-5)


def test_equal_maps_cost_nothing_and_stages_add_up() -> None:
    loss = StagesLoss(LossSettings(), ENERGIES)
    assert float(loss([made_up(0)] * 3, targets(0))) == 0.0
    one, two = float(loss([made_up(1)], targets())), float(loss([made_up(2)], targets()))
    assert one > 0 and two > 0 and one != two
    assert float(loss([made_up(1), made_up(2)], targets())) == pytest.approx(one + two, rel=1e-6)


@pytest.mark.parametrize("part", ["joints", "background", "pafs"])
def test_each_weight_is_of_its_own_channels(part: str) -> None:
    loss = StagesLoss(LossSettings(**{**ALONE, part: 1.0}), ENERGIES)
    wanted = targets()
    seen = {}
    for changed in ("joints", "background", "pafs"):
        heatmaps, pafs = (tensor.clone() for tensor in wanted.maps)
        {"joints": heatmaps[:, :-1], "background": heatmaps[:, -1:], "pafs": pafs}[changed].add_(0.1)
        seen[changed] = float(loss([Maps(heatmaps, pafs)], wanted))
    assert seen.pop(part) > 0
    assert list(seen.values()) == [0.0, 0.0]


def test_a_relative_l2_of_a_tenth_is_a_loss_of_a_hundredth() -> None:
    """As losses.py says: distances are divided by the energy of the targets."""
    maps = made_up(0)
    energy = float(maps.pafs.square().sum(dim=1).mean())
    loss = StagesLoss(LossSettings(**{**ALONE, "pafs": 1.0, "foreground": 0.0}), Energies(1.0, 1.0, energy))
    assert float(loss([Maps(maps.heatmaps, maps.pafs * 1.1)], targets(0))) == pytest.approx(0.01, rel=1e-4)


def test_what_is_masked_is_neither_counted_nor_learnt_from() -> None:
    mask = torch.ones(N, ROWS, COLUMNS)
    mask[:, :2] = 0
    found = Maps(*(tensor.requires_grad_() for tensor in made_up(1)))
    loss = StagesLoss(LossSettings(), ENERGIES)([found], targets(0, mask))
    loss.backward()
    changed = [tensor.detach().clone() for tensor in found]
    for tensor in changed:
        tensor[:, :, :2] += 100
    assert float(StagesLoss(LossSettings(), ENERGIES)([Maps(*changed)], targets(0, mask))) == float(loss.detach())
    for tensor in found:
        assert tensor.grad is not None
        assert float(tensor.grad[:, :, :2].abs().max()) == 0.0 < float(tensor.grad[:, :, 2:].abs().min())


def test_hints_are_the_features_distance_over_their_energy() -> None:
    torch.manual_seed(0)
    hints = FeatureLoss(LossSettings(hints=0.5), student_channels=3, teacher_channels=4)
    ours, theirs = torch.randn(N, 3, ROWS, COLUMNS), torch.randn(N, 4, ROWS, COLUMNS)
    kernel, bias = hints.regressor.weight.detach().numpy()[:, :, 0, 0], hints.regressor.bias.detach().numpy()
    total = energy = 0.0
    for n in range(N):
        for y in range(ROWS):
            for x in range(COLUMNS):
                wanted = theirs[n, :, y, x].numpy().astype(np.float64)
                made = kernel @ ours[n, :, y, x].numpy() + bias
                total += float(((made - wanted) ** 2).sum())
                energy += float((wanted**2).sum())
    loss = hints(ours, theirs)
    assert float(loss.detach()) == pytest.approx(0.5 * total / energy, rel=1e-5)
    loss.backward()
    assert float(hints.regressor.weight.grad.abs().max()) > 0
