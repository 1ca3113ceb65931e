"""The columns of candidates.csv that a recipe may name as objectives, with the words that reports use for them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

Part = Literal["fidelity", "latency", "memory", "energy", "packed", "kinematics", "ap"]


@dataclass(frozen=True)
class Objective:
    """One column that can be minimised or maximised."""

    name: str
    """The column of candidates.csv."""
    label: str
    """As it reads within a sentence."""
    unit: str
    """Empty for a pure number."""
    smaller_is_better: bool
    part: Part | None = None
    """The switch under `measure` that gives the column; None where it is always measured."""


_TABLE = (
    Objective("latency_ms", "network time over all scales", "ms", True, "latency"),
    Objective("latency_ratio", "network time relative to the teacher", "", True, "latency"),
    Objective("heat_l2", "L2 of the heatmaps", "", True, "fidelity"),
    Objective("paf_l2", "L2 of the PAFs", "", True, "fidelity"),
    Objective("heat_rel_l2", "relative L2 of the heatmaps with background", "", True, "fidelity"),
    Objective("joint_rel_l2", "relative L2 of the joints", "", True, "fidelity"),
    Objective("paf_rel_l2", "relative L2 of the PAFs", "", True, "fidelity"),
    Objective("params", "parameters", "", True),
    Objective("macs", "multiply-accumulates", "", True),
    Objective("size_bytes", "size on disk", "bytes", True),
    Objective("peak_memory_bytes", "peak resident memory", "bytes", True, "memory"),
    Objective("oks", "OKS against the teacher's people", "", False, "kinematics"),
    Objective("ap", "AP against labels", "", False, "ap"),
    Objective("people_recall", "share of the teacher's people found again", "", False, "kinematics"),
    Objective("angle_median_deg", "median angle error of the worst joint", "deg", True, "kinematics"),
    Objective("angle_p95_deg", "P95 angle error of the worst joint", "deg", True, "kinematics"),
    Objective("angle_rmse_deg", "RMS angle error of the worst joint", "deg", True, "kinematics"),
    Objective("angle_error_over_noise", "angle error over the teacher's noise", "", True, "kinematics"),
    Objective("angular_velocity_rmse_deg_s", "RMS error of the angular velocity", "deg/s", True, "kinematics"),
    Objective("activation_peak_bytes", "peak of the activations", "bytes", True, "energy"),
    Objective("energy_mj", "measured energy", "mJ", True, "energy"),
    Objective("energy_estimate_mj", "estimated energy", "mJ", True, "energy"),
    Objective("packed_bytes", "size of the packed file", "bytes", True, "packed"),
)

OBJECTIVES: dict[str, Objective] = {objective.name: objective for objective in _TABLE}

if TYPE_CHECKING:
    ObjectiveName = str
else:
    # Built from the table, so that a new column is one line here and nothing elsewhere.
    ObjectiveName = Literal[tuple(OBJECTIVES)]
