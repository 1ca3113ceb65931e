"""Shared weights chosen so that a layer's outputs stay: its codebook by k-means, its weights one column at a time.

What giving one weight a shared value spoils is made good by the weights that are still to get theirs (Frantar et al.
2022, as compress.quantization.int8_rounding does on grids), and every layer makes up for those before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from compress.pruning.obs import refitted_with_zeros, zeros_of
from compress.reconstruction.layerwise import (
    LARGEST_SYSTEM,
    Layerwise,
    as_parameters,
    keep,
    passed,
    places,
    rows,
    with_tensors,
)
from compress.reconstruction.least_squares import in_columns, moments
from teachers.posenet import PoseNet

Codebook = Callable[[nn.Conv2d, Tensor], Tensor | None]
"""From a convolution and the weights that it would have to the values that they may take, ascending; None: any."""


@torch.no_grad()
def cluster_and_reconstruct(network: PoseNet, codebook: Codebook, batches: Sequence[Tensor]) -> PoseNet:
    """A copy whose layers take values of their codebooks; zeros stay, and zero is no value of a codebook.

    batches: raw pixels (N, 3, H, W) to refit on, one for each input size.
    """
    sharing = _Sharing(codebook)
    passed(network, sharing, batches)
    return with_tensors(network, sharing.tensors)


@dataclass
class _Sharing(Layerwise):
    codebook: Codebook
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """See `Layerwise`."""
        weights, zero = rows(conv), zeros_of(conv)
        columns, outputs = places(conv, found, wanted)
        narrow = weights.shape[-1] <= LARGEST_SYSTEM
        if narrow:
            here = moments(columns, outputs, conv.bias is not None)
            weights = refitted_with_zeros(weights, zero, here)
        book = self.codebook(conv, as_parameters(conv, weights)[0])
        if book is not None:
            middles, values = ((book[1:] + book[:-1]) / 2).double(), book.double()

            def nearest(exact: Tensor, column: Tensor) -> Tensor:
                chosen = values[torch.bucketize(exact.contiguous(), middles)]
                return chosen.masked_fill(zero.gather(-1, column.expand(zero.shape[:2])[..., None])[..., 0], 0.0)

            if narrow:
                weights = in_columns(weights, here, nearest)
            else:
                weights = torch.stack(
                    [nearest(weights[..., n], torch.tensor(n)) for n in range(weights.shape[-1] - 1)]
                    + [weights[..., -1]],
                    dim=-1,
                )
        return keep(self.tensors, name, conv, weights)
