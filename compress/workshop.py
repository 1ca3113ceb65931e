"""Workshop: what the steps of one run share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workshop:
    """The run's seed; steps that train or calibrate also need frames, targets and a device."""

    seed: int
