"""quantization.json: in which bits a network computes, and on which grids its numbers lie. Beside spec and weights."""

import json
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from teachers.common.frozen import Frozen

LARGEST = 127
"""Of a weight's integers: symmetric, so that -128 is left out and a weight of zero is the integer zero."""
LARGEST_PAIR = 128
"""Of any two weights' integers of a channel, added up without their signs. x86 CPUs without VNNI add two products with
inputs (0 to 255) in 16 bits, which end at 32767, and 255 * 128 stays below. Which two meet depends on the kernel."""


def _single(value: float) -> float:
    """What single precision has, in as few digits as tell it: artefacts compute with it, and files stay short."""
    return float(str(np.float32(value)))


_Step = Annotated[float, Field(gt=0, lt=1e30, allow_inf_nan=False), AfterValidator(_single)]


def pairs_fit(integers: NDArray[np.signedinteger[Any]]) -> NDArray[np.bool_]:
    """(C,): whether no two weights of a channel can overflow 16 bits; integers (C, ...)."""
    sizes = np.abs(integers.reshape(len(integers), -1).astype(np.int32))
    largest = np.partition(sizes, -2, axis=1)[:, -2:] if sizes.shape[1] > 1 else sizes
    fit: NDArray[np.bool_] = largest.sum(axis=1) <= LARGEST_PAIR
    return fit


class QuantParams(Frozen):
    """Where the values of a tensor lie: (integer - zero) * scale for the integers 0 to 255."""

    scale: _Step
    zero: Annotated[int, Field(ge=0, le=255)]


class Half(Frozen):
    """All weights and all tensors between input and maps in half precision; the weights on disk are rounded to it."""

    format: Literal[1] = 1
    precision: Literal["fp16"] = "fp16"

    @property
    def digest_text(self) -> str:
        """What a content id hashes."""
        return self.model_dump_json()


class Int8(Frozen):
    """Weights as int8 with a step for each output channel, tensors as uint8; what has no grid here stays float."""

    format: Literal[1] = 1
    precision: Literal["int8"] = "int8"
    grids: dict[str, QuantParams]
    """Tensor, by the name of what makes it -> its grid."""
    weights: dict[str, tuple[_Step, ...]]
    """Convolution -> the step of each output channel; its weights on disk are whole multiples of it, to 127."""

    @property
    def digest_text(self) -> str:
        """What a content id hashes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


Quantization = Half | Int8
