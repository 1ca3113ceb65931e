"""share_weights: few different weights in each layer, many of them zero (Han, Mao and Dally 2015, sections 2 and 3).

The network stays an ordinary one of fp32 weights, so what is measured is what ships. Its size on disk and its speed
stay too: `compress pack` is what makes a small file of it.
"""

import copy
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from compress.sharing import KMeans, cluster
from compress.steps.base import Step
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.candidate import Candidate
    from compress.workshop import Workshop

Bits = Annotated[int, Field(ge=2, le=8)]


class ShareWeights(Step):
    """Prunes the smallest weights of each layer, then lets the others share 2^bits values."""

    step: Literal["share_weights"] = "share_weights"
    bits: Annotated[
        Bits, Field(description="Of a convolution's codebook; fewer: smaller, further from the teacher.")
    ] = 5
    depthwise_bits: Annotated[
        Bits | None,
        Field(description="Of a depthwise convolution's codebook; null keeps them float: they are few and sensitive."),
    ] = None
    prune: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            allow_inf_nan=False,
            description="Share of each convolution's weights, the smallest, set to zero first; depthwise ones "
            "keep all. More: smaller, further from the teacher.",
        ),
    ] = 0.0
    iterations: Annotated[int, Field(ge=0, le=10_000, description="Of k-means, at most; it stops when settled.")] = 300
    start: Annotated[
        Literal["linear", "density"],
        Field(
            description="Where k-means begins: `linear` as in the paper, best where centroids are fine-tuned after; "
            "`density` follows the weights and stays closer to the teacher where nothing is fine-tuned."
        ),
    ] = "linear"
    float_bits: Annotated[
        Literal[16, 32],
        Field(description="To which what stays float is rounded: biases, codebooks, layers not shared."),
    ] = 16

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The same spec: only values change."""
        return spec

    def apply(self, candidate: "Candidate", workshop: "Workshop") -> "Candidate":
        """A copy with shared weights; shares none of the given one's memory."""
        network: PoseNet = copy.deepcopy(candidate.network)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    module.weight.copy_(torch.from_numpy(self._shared(module)))
            for tensor in network.state_dict().values():
                tensor.copy_(self._rounded(tensor))
        return candidate.followed_by(self.model_dump(mode="json"), network)

    def _shared(self, module: nn.Conv2d) -> NDArray[np.float32]:
        """The weights that this layer gets; its own where a codebook would be as long as the layer."""
        weight: NDArray[np.float32] = module.weight.detach().numpy()
        depthwise = module.groups > 1
        bits = self.depthwise_bits if depthwise else self.bits
        kept = weight if depthwise else pruned(weight, self.prune)
        if bits is None:
            return kept
        # Zero takes one of the 2^bits values where there are zeros.
        count = 2**bits - int(np.any(kept == 0))
        return (
            kept
            if np.count_nonzero(kept) <= count
            else cluster(kept, KMeans(count, self.iterations, self.start)).weights()
        )

    def _rounded(self, tensor: Tensor) -> Tensor:
        """As fp16 has it, unless a value is too large for that."""
        if self.float_bits == 32:
            return tensor
        half = tensor.half().float() + 0.0  # what is too small for fp16 becomes zero, not minus zero
        return half if bool(torch.isfinite(half).all()) else tensor


def pruned(weight: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """A copy in which this share of the weights, those of least magnitude, is zero (Han et al., section 2).

    Of equal magnitudes those that come first go first, so the share is exact and the result always the same.
    """
    kept = weight.copy()
    order = np.argsort(np.abs(kept), axis=None, kind="stable")
    kept.reshape(-1)[order[: int(share * kept.size)]] = 0.0
    return kept
