"""Ranks and volumes against definitions that are slow and plain."""

import itertools
import random

import numpy as np
import pytest

from compress.search.history import Notes, TrialEntry, by_root, lost, ordinal
from compress.search.ranking import dominates, hypervolume, order, reference_of
from compress.search.successive_halving import Finished, Halving, Promote, Take, Wait, next_action


def points(count: int, size: int, seed: int) -> list[tuple[float, ...]]:
    draw = random.Random(seed)
    return [tuple(draw.randint(0, 9) / 10 for _ in range(size)) for _ in range(count)]


def cells(found: list[tuple[float, ...]], size: int) -> float:
    """The volume within 0.95 that tenths dominate, counted cell by cell of a grid of tenths."""
    axis = np.arange(10) / 10
    grid = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), axis=-1)
    width = np.where(axis > 0.85, 0.05, 0.1)
    volume = np.prod(np.stack(np.meshgrid(*[width] * size, indexing="ij"), axis=-1), axis=-1)
    reached = np.any([(grid > np.array(point) - 0.01).all(axis=-1) for point in found], axis=0)
    return float(volume[reached].sum())


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_volume_is_that_of_the_cells_reached(size: int) -> None:
    for seed in range(20):
        found = [*points(12, size, seed), (1.5,) * size]
        assert hypervolume(found, (0.95,) * size) == pytest.approx(cells(found, size), abs=1e-12)
    assert hypervolume([(1.0,) * size], (0.95,) * size) == hypervolume([], (0.95,) * size) == 0.0


def test_nobody_comes_after_whom_it_dominates() -> None:
    compared = 0
    for seed in range(30):
        found = points(15, 2 + seed % 2, seed)
        place = {index: rank for rank, index in enumerate(order(found))}
        assert sorted(place) == list(range(15))
        for one, other in itertools.permutations(range(15), 2):
            if dominates(found[one], found[other]):
                assert place[one] < place[other]
                compared += 1
    assert compared > 100


def test_within_a_front_the_larger_share_comes_first_and_units_do_not_count() -> None:
    front = [(0.0, 1.0), (0.1, 0.9), (0.5, 0.3), (1.0, 0.0)]
    assert order(front) == [2, 3, 0, 1]
    assert order([(x, y * 1e9) for x, y in front]) == order(front)
    assert order([(1.0, 1.0)] * 3) == [0, 1, 2]


def test_the_reference_lies_beyond_everybody() -> None:
    assert reference_of([(0.0, 5.0), (1.0, 5.0)]) == (1.1, 5.5)
    assert reference_of([(0.0,)]) == (0.1,)


PLAN = Halving(rungs=3, reduction_factor=3.0, trials=9, objectives=("a", "b"), smaller=(True, True))


def played(plan: Halving, quality: dict[int, float]) -> list[TrialEntry]:
    """One worker after the other, every action done at once; quality by the n-th new trial, smaller is better."""
    done: list[TrialEntry] = []
    for _ in range(200):
        action = next_action(done, plan)
        if isinstance(action, Finished):
            return done
        assert isinstance(action, Take | Promote)
        rung, first = (action.entry.notes.rung + 1, action.entry.root) if isinstance(action, Promote) else (0, None)
        new = sum(entry.notes.rung == 0 for entry in done)
        which = action.entry.choices["nth"] if isinstance(action, Promote) else new
        value = quality.get(int(str(which)), 5.0)
        notes = Notes(rung=rung, first=first, measured={"a": value, "b": value}, learns=True)
        done.append(TrialEntry(len(done), "complete" if rung == plan.rungs - 1 else "screened", {"nth": which}, notes))
    raise AssertionError("no end")


def test_the_best_third_of_each_rung_goes_on() -> None:
    done = played(PLAN, {4: 1.0, 7: 2.0, 2: 3.0})
    climbed = {rung: [entry.choices["nth"] for entry in done if entry.notes.rung == rung] for rung in range(3)}
    # 2 is the best of the first three, 4 of the first six, 7 the second best of nine; then the best of these three.
    assert climbed == {0: list(range(9)), 1: [2, 4, 7], 2: [4]}
    assert next_action(done, PLAN) == Finished() and played(PLAN, {4: 1.0, 7: 2.0, 2: 3.0}) == done


def test_few_trials_still_end_with_one_that_was_trained() -> None:
    done = played(Halving(3, 1 / 3, 1, ("a", "b"), (True, True)), {})
    assert [e.notes.rung for e in done] == [0, 1, 2] and done[-1].state == "complete"


def test_what_costs_too_much_or_failed_or_was_repeated_never_goes_on() -> None:
    def screened(number: int, **notes: object) -> TrialEntry:
        return TrialEntry(number, "screened", {}, Notes(measured={"a": 0.1, "b": 0.1}, **notes))  # type: ignore[arg-type]

    done = [screened(n, costly=True) for n in range(8)] + [screened(8, same_as=3)]
    done += [TrialEntry(9, "failed", {}, Notes(error="no"))]
    assert next_action(done, PLAN) == Finished()


def test_who_waits_and_for_whom() -> None:
    running = TrialEntry(0, "running", {}, Notes(worker="w"))
    one = Halving(1, 0.5, 1, ("a",), (True,))
    assert next_action([running], one) == Wait()
    assert next_action([TrialEntry(0, "waiting", {}, Notes())], one) == Take()
    assert next_action([], one, new=False) == Finished()
    assert (
        next_action([TrialEntry(0, "failed", {}, Notes())], one) == Take()
    )  # its process died: it counts as never tried


def test_a_dead_trial_is_taken_up_once_and_draws_what_it_would_have_drawn() -> None:
    dead = TrialEntry(1, "failed", {"x": 1}, Notes())
    taken = TrialEntry(2, "running", {"x": 1}, Notes(first=1, retry_of=1, retries=1))
    before = TrialEntry(0, "complete", {"x": 0}, Notes())
    assert lost([before, dead]) == [dead] and lost([before, dead, taken]) == []
    later = [before, dead, taken, TrialEntry(3, "running", {}, Notes())]
    assert [ordinal(later, number) for number in range(4)] == [0, 1, 1, 2]
    assert list(by_root(later)) == [0, 1, 3] and by_root(later)[1] == [taken]
