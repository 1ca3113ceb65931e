"""Systems without an inverse: few frames, inputs that are alike, silent, or much larger than all others."""

import numpy as np
import pytest
import torch

from compress.pruning.obs import refitted_with_zeros
from compress.reconstruction.least_squares import damped, in_columns, moments, refitted

INPUTS = {
    "one frame of one colour": torch.ones(1, 6, 40),
    "silent": torch.zeros(1, 6, 40),
    "one place": torch.randn(1, 6, 1, generator=torch.Generator().manual_seed(0)),
    "one far larger": torch.cat((torch.randn(1, 5, 40), 1e15 * torch.ones(1, 1, 40)), dim=1),
    "all alike": torch.randn(1, 1, 40, generator=torch.Generator().manual_seed(1)).expand(1, 6, 40) * 1e9,
}


def test_a_singular_system_is_damped_and_a_regular_one_is_solved_as_it_is() -> None:
    regular = torch.tensor([[[4.0, 1.0], [1.0, 3.0]]], dtype=torch.float64)
    assert torch.equal(damped(regular, torch.linalg.inv), torch.linalg.inv(regular))
    singular = torch.ones(1, 3, 3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="singular"):
        torch.linalg.inv(singular)
    right = torch.tensor([[[3.0], [3.0], [3.0]]], dtype=torch.float64)
    found = damped(singular, lambda able: torch.linalg.solve(able, right))
    assert torch.allclose(singular @ found, right, atol=1e-6)  # 1 + 1 + 1 in any shares
    batch = torch.cat((singular, torch.eye(3, dtype=torch.float64)[None]))
    assert torch.isfinite(damped(batch, torch.linalg.inv)).all()


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("bias", [True, False])
def test_few_and_odd_inputs_give_finite_weights_that_do_no_harm(kind: str, bias: bool) -> None:
    x, draw = INPUTS[kind], torch.Generator().manual_seed(2)
    weights = torch.randn(1, 3, 7, generator=draw).double()
    target = weights[..., :-1].float() @ x + float(bias) * weights[..., -1:].float()
    found, zero = moments(x, target, bias), torch.rand(1, 3, 7, generator=draw) < 0.3
    zero[..., -1] = False
    made = refitted_with_zeros(weights, zero, found)
    assert torch.isfinite(made).all() and not made[zero].any()
    for one in (refitted(weights, found), in_columns(weights, found, lambda exact, column: exact)):
        again = one[..., :-1].float() @ x + float(bias) * one[..., -1:].float()
        assert torch.allclose(again, target, rtol=1e-3, atol=1e-3 * float(target.abs().max()) + 1e-6)


def test_numbers_that_are_not_finite_are_told() -> None:
    x = torch.full((1, 2, 4), float("inf"))
    with pytest.raises(ValueError, match="what was trained before has diverged"):
        refitted(torch.zeros(1, 1, 3).double(), moments(x, torch.zeros(1, 1, 4), True))


def test_a_batch_of_systems_is_solved_right_on_several_threads() -> None:
    """torch 2.13 alone calls such matrices singular on two threads, or gives another result."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inputs = torch.randn(3, 256, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        systems, right = inputs @ inputs.mT / 400, inputs[..., :4]
        found = damped(systems, lambda able: torch.linalg.solve(able, right))
        assert torch.get_num_threads() == 2
        expected = np.linalg.solve(systems.numpy(), right.numpy())
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)
    finally:
        torch.set_num_threads(before)
