"""Made-up records with joint angles, for tests of goals. The statistics are made by the metric itself."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from compress_made_up import measured, record

from compress.measure.kinematics import Kinematics
from compress.results.objectives import OBJECTIVES
from compress.results.records import Record
from eval.angle_errors import AngleErrors, AngleSample, angle_errors
from eval.kinematic_fidelity import JointFidelity
from eval.kinematic_motion import Motion

STILL = Motion(*(None,) * 7)
ANGULAR = ("oks", "people_recall", *(name for name in OBJECTIVES if name.startswith("ang")))
"""The objectives of the kinematics."""


def errors_of(values: Sequence[float], measurable: int | None = None) -> AngleErrors:
    """Statistics of these errors in degrees, as the metric makes them."""
    array = np.asarray(values, np.float64)
    count = len(array) if measurable is None else measurable
    return angle_errors(
        AngleSample(array, np.arange(len(array), dtype=np.float64), np.zeros(len(array), np.int64), count)
    )


def joint(raw: AngleErrors, filtered: AngleErrors, motion: Motion = STILL) -> dict[str, Any]:
    return asdict(JointFidelity(raw, filtered, motion, 0, 0))


def kinematics(**changes: Any) -> Kinematics:
    """Everything measured, everything fine."""
    fields: dict[str, Any] = {
        "clip": "made up", "frames": 9, "tracks": 1, "fps": 30.0, "oks": 0.9, "people_recall": 1.0, "median_deg": 1.0,
        "p95_deg": 4.0, "rmse_deg": 2.0, "error_over_noise": 0.4, "velocity_rmse_deg_s": 90.0,
        "velocity_median_deg_s": 20.0,
        "tier": "equivalent",
        "tier_reasons": (), "joints": {}, "conditions": {},
    }  # fmt: skip
    return Kinematics.model_validate(fields | changes)


def moved(stages: int = 5, name: str = "moved", **changes: Any) -> Record:
    """A candidate whose angles were measured."""
    measurement = measured(stages).replaced(kinematics(**changes))
    return record(name, measurement, missing={})
