"""What was measured on the candidates of one run, before it becomes records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from compress.measure.energy import Power
from compress.results.records import Fidelity, Kinematics, LabelledAp, Latency, Memory, Packed


@dataclass(frozen=True)
class Measured:
    """What one run measured on all its candidates, by name; None for what the recipe does not ask for."""

    macs_input_hw: tuple[int, int]
    fidelity: Mapping[str, Fidelity] | None
    latency: Mapping[str, tuple[Latency, ...]] | None
    """One for each runtime, the one that counts first."""
    memory: Mapping[str, Memory] | None
    kinematics: Mapping[str, Kinematics] | None
    ap: Mapping[str, LabelledAp] | None = None
    quick_look: bool = False
    """The recipe asks for joint angles, on fewer frames than they need."""
    no_memory: Mapping[str, str] = field(default_factory=dict)
    """Whose peak memory could not be taken, and why."""
    power: tuple[Mapping[str, Power], Mapping[str, str]] | None = None
    """By name; and of whom nothing is known, and why."""
    packed: Mapping[str, Packed] | None = None
    no_latency: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Who could not be timed: column, or runtime, -> why."""
