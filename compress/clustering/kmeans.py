"""Shared weights: a codebook and, for each weight, which of its values it takes (Han, Mao and Dally 2015, section 3).

A network whose layers share weights is an ordinary network with few different values. `SharedWeights.of` finds the
codebook in it again; compress.training.masks makes the codebooks what an optimiser trains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

PRUNED = 0
"""The assignment of a weight that was set to zero and stays there."""


@dataclass(frozen=True)
class SharedWeights:
    """One layer's codebook and assignments."""

    codebook: NDArray[np.float32]
    """(K,), ascending."""
    assignments: NDArray[np.int64]
    """Of the weight's shape: 0 for a pruned weight, i for codebook[i - 1]."""

    def weights(self) -> NDArray[np.float32]:
        """The weight itself."""
        return np.concatenate((np.zeros(1, np.float32), self.codebook))[self.assignments]

    @staticmethod
    def of(weight: NDArray[np.float32]) -> "SharedWeights":
        """The different values of a weight that is shared already; those that are zero count as pruned."""
        values, places = np.unique(weight, return_inverse=True)
        order = np.cumsum(values != 0)
        return SharedWeights(values[values != 0], np.where(values == 0, PRUNED, order)[places].reshape(weight.shape))


def linear_start(ordered: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Centroids spread evenly from the least weight to the greatest.

    Han et al., section 3.2, found this start the best after fine-tuning, since it keeps the few large weights.
    """
    return np.linspace(ordered[0], ordered[-1], count)


def density_start(ordered: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Centroids as dense as the cube root of the weights' density, which is best for many of them (Panter, Dite 1951).

    A few large weights stretch the range, and evenly spread centroids mostly lie where there are hardly any weights.
    With as many bits, and without fine-tuning, the maps of openpose-mobilenet-thin stay 4 to 6 times closer than from
    the linear start; its Huffman codes are longer, though, and at equal size of the file it is twice as close.
    """
    heights, edges = np.histogram(ordered, bins=2048)
    rank = np.concatenate((np.zeros(1), np.cumsum(np.cbrt(heights))))
    centroids: NDArray[np.float64] = np.interp((np.arange(count) + 0.5) / count, rank / rank[-1], edges)
    return centroids


STARTS: dict[Literal["linear", "density"], Callable[[NDArray[np.float64], int], NDArray[np.float64]]] = {
    "linear": linear_start,
    "density": density_start,
}


@dataclass(frozen=True)
class KMeans:
    """How the codebook of a layer is found."""

    count: int
    """Centroids."""
    iterations: int
    """At most; it stops when nothing moves. 0 leaves the centroids of the start."""
    start: Literal["linear", "density"] = "density"


def cluster(weight: NDArray[np.float32], settings: KMeans) -> SharedWeights:
    """k-means of the weights that are not zero (Han et al., equation (2)). Deterministic.

    In one dimension clusters are intervals of the sorted weights, so an iteration only looks up their bounds.
    """
    alive = weight != 0
    ordered = np.sort(weight[alive].astype(np.float64))
    if ordered.size == 0:
        return SharedWeights(np.empty(0, np.float32), np.zeros(weight.shape, np.int64))
    sums = np.concatenate((np.zeros(1), np.cumsum(ordered)))
    centroids = STARTS[settings.start](ordered, settings.count)
    for _ in range(settings.iterations):
        ends = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        bounds = np.concatenate(([0], ends, [ordered.size]))
        inside = np.diff(bounds)
        moved = np.where(inside > 0, np.diff(sums[bounds]) / np.maximum(inside, 1), centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = np.sort(moved)  # one that lost all its weights stays, and others may pass it
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, weight.astype(np.float64))
    return SharedWeights(centroids.astype(np.float32), np.where(alive, nearest + 1, PRUNED))


def shared_layers(network: nn.Module, most: int = 256) -> dict[str, SharedWeights]:
    """The convolutions of a network whose weights are shared already, by module name: what can be fine-tuned."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach().numpy()
            shared = SharedWeights.of(weight)
            if len(shared.codebook) <= most and len(shared.codebook) < weight.size:
                found[name] = shared
    return found
