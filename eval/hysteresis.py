"""A state over time that changes only where the evidence pays for it (Viterbi on states with a price for a change)."""

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array


def steady_states(costs: Array, change: float) -> NDArray[np.int64]:
    """(T,) the state of each frame, so that the sum of costs and changes is lowest.

    A stretch in between is kept as its own state only if it is worth two changes; the first and the last, one. Where
    nothing speaks for a change the state before stays, and frames before the first evidence take the first state found.

    Args:
        costs: (T, S) of holding a frame to be in a state; multiply by the time step to be free of the frame rate.
        change: price of going from a state to any other.

    """
    frames, states = costs.shape
    total = costs[0].copy() if frames else np.zeros(states)
    came = np.zeros((frames, states), np.int64)
    for t in range(1, frames):
        best = int(np.argmin(total))
        stays = total <= total[best] + change
        came[t] = np.where(stays, np.arange(states), best)
        total = np.where(stays, total, total[best] + change) + costs[t]
    path = np.zeros(frames, np.int64)
    state = int(np.argmin(total))
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state = int(came[t, state])
    return path
