"""An estimate of the energy of one image, from its arithmetic and the bytes that it moves. Never a measurement.

Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V. Newer
chips use less of everything; the proportion of arithmetic to memory has grown more lopsided since, not less.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE = "Horowitz 2014, 45 nm"
PICOJOULES_PER_MAC: Mapping[str, float] = {"fp32": 3.7 + 0.9, "fp16": 1.1 + 0.4, "int8": 0.2 + 0.1}
"""A multiplication and an addition; int8 products are added up in 32 bits."""
PICOJOULES_PER_BYTE = 160.0
"""Of DRAM: 1.3 nJ for 64 bits, the lower end of the 1.3 to 2.6 there; Han et al. 2015 take the same, 640 pJ for 32."""


@dataclass(frozen=True)
class Estimate:
    """Millijoules."""

    arithmetic_mj: float
    memory_mj: float

    @property
    def total_mj(self) -> float:
        """Of both."""
        return self.arithmetic_mj + self.memory_mj


def estimate(macs: Mapping[str, int], moved_bytes: int) -> Estimate:
    """macs: multiply-accumulates by precision, of PICOJOULES_PER_MAC's names; moved_bytes: to and from memory."""
    arithmetic = sum(count * PICOJOULES_PER_MAC[precision] for precision, count in macs.items())
    return Estimate(arithmetic * 1e-9, moved_bytes * PICOJOULES_PER_BYTE * 1e-9)
