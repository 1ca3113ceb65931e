"""cluster_weights: few different weights in each layer; zeros stay zero (Han, Mao and Dally 2015, section 3).

The network stays an ordinary one of fp32 weights, so what is measured is what ships. Its size on disk and its speed
stay too: `compress pack` is what makes a small file of it.
"""

import copy
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from compress.clustering.kmeans import KMeans, SharedWeights, cluster
from compress.clustering.reconstruction import cluster_and_reconstruct
from compress.quantization.equalization import equalize
from compress.steps.base import Step
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

Bits = Annotated[int, Field(ge=2, le=8)]
_SMALL = 20_000
"""Weights of a convolution below which `small_layer_bits` is its number."""


class ClusterWeights(Step):
    """Lets the weights of each layer share 2^bits values; after `prune_weights`, zero is one of them."""

    step: Literal["cluster_weights"] = "cluster_weights"
    bits: Annotated[
        Bits, Field(description="Of a convolution's codebook; fewer: smaller, further from the teacher.")
    ] = 5
    depthwise_bits: Annotated[
        Bits | None,
        Field(description="Of a depthwise convolution's codebook; null keeps them float: they are few and sensitive."),
    ] = None
    small_layer_bits: Annotated[
        Bits | None,
        Field(
            description="Of the codebook of a convolution of fewer than 20,000 weights, such as the last ones of a "
            "branch; left out, `bits`. They are sensitive, and more bits cost little there."
        ),
    ] = None
    iterations: Annotated[int, Field(ge=0, le=10_000, description="Of k-means, at most; it stops when settled.")] = 300
    centroid_init: Annotated[
        Literal["density", "linear"],
        Field(
            description="Where k-means begins: `density` follows the weights and stays closer to the teacher; `linear` "
            "spreads centroids evenly, as in the paper, for shorter codes. It needs `reconstruct`."
        ),
    ] = "density"
    float_bits: Annotated[
        Literal[16, 32],
        Field(description="To which what stays float is rounded: biases, codebooks, layers not shared."),
    ] = 16
    reconstruct: Annotated[
        bool,
        Field(
            description="Cross-layer equalization, which is exact, then each layer is fitted, value by value, to what "
            "those before it give on training frames. Much closer at once; takes a minute."
        ),
    ] = False
    calibration_frames: Annotated[
        int, Field(ge=1, le=10_000, description="How many are looked at for reconstruct.")
    ] = 48

    @model_validator(mode="after")
    def _starts_close(self) -> "ClusterWeights":
        if self.centroid_init == "linear" and not self.reconstruct:
            raise ValueError(
                "centroid_init: linear needs `reconstruct: true`; without it the maps are several times as far from "
                "the teacher's as with density"
            )
        return self

    @property
    def learns(self) -> bool:
        """See `Step`."""
        return self.reconstruct

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The same spec: only values change."""
        return spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A copy with shared weights; shares none of the given one's memory."""
        network: PoseNet = copy.deepcopy(candidate.network)
        with torch.no_grad():
            if self.reconstruct:
                network = self._refitted(network, context)
            else:
                for module in network.modules():
                    if isinstance(module, nn.Conv2d):
                        module.weight.copy_(torch.from_numpy(self._shared(module)))
            for tensor in network.state_dict().values():
                tensor.copy_(self._rounded(tensor))
        return candidate.followed_by(self.model_dump(mode="json"), network)

    def _refitted(self, network: PoseNet, context: "StepContext") -> PoseNet:
        looked = context.targets.calibration(self.calibration_frames, network.spec.stride)
        even = equalize(network, looked)

        def codebook(conv: nn.Conv2d, weight: Tensor) -> Tensor | None:
            found = self._clustered(weight.numpy(), conv.groups > 1)
            return None if found is None else torch.unique(self._rounded(torch.from_numpy(found.codebook)))

        return cluster_and_reconstruct(even, codebook, looked)

    def _shared(self, module: nn.Conv2d) -> NDArray[np.float32]:
        """The weights that this layer gets."""
        weight: NDArray[np.float32] = module.weight.detach().numpy()
        found = self._clustered(weight, module.groups > 1)
        return weight if found is None else found.weights()

    def _clustered(self, kept: NDArray[np.float32], depthwise: bool) -> SharedWeights | None:
        """None where a codebook would be as long as the layer, or none is asked for."""
        bits = self.depthwise_bits if depthwise else self.bits
        if self.small_layer_bits is not None and not depthwise and kept.size < _SMALL:
            bits = self.small_layer_bits
        if bits is None:
            return None
        # Zero takes one of the 2^bits values where there are zeros.
        count = 2**bits - int(np.any(kept == 0))
        if np.count_nonzero(kept) <= count:
            return None
        return cluster(kept, KMeans(count, self.iterations, self.centroid_init))

    def _rounded(self, tensor: Tensor) -> Tensor:
        """As fp16 has it, unless a value is too large for that."""
        if self.float_bits == 32:
            return tensor
        half = tensor.half().float() + 0.0  # what is too small for fp16 becomes zero, not minus zero
        return half if bool(torch.isfinite(half).all()) else tensor
