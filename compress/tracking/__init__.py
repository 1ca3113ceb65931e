"""Trackers: where else a run's numbers, curves and files go. Add `"name": factory` here and nowhere else.

Those of other packages are named by entry points `compress.trackers`.
"""

from collections.abc import Callable, Mapping

from compress.tracking.base import Tracker, TrackerPlace
from compress.tracking.jsonl import JsonlTracker
from compress.tracking.tensorboard import TensorBoardTracker
from compress.tracking.wandb import WandbTracker
from teachers.common.plugins import extended

_BUILT_IN: Mapping[str, Callable[[TrackerPlace], Tracker]] = {
    "jsonl": JsonlTracker,
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
}
TRACKERS: Mapping[str, Callable[[TrackerPlace], Tracker]] = extended(
    "compress.trackers", _BUILT_IN, fits=callable, expected="a function or class that takes a TrackerPlace"
)
"""What a recipe's `tracking` may name. A factory begins a tracked run, or goes on with the one of an earlier call."""
