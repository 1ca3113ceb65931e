"""Trackers: where else a run's numbers, curves and files go. Add `"name": factory` here and nowhere else."""

from collections.abc import Callable, Mapping

from compress.tracking.base import Tracker, TrackerPlace
from compress.tracking.jsonl import JsonlTracker
from compress.tracking.wandb import WandbTracker

TRACKERS: Mapping[str, Callable[[TrackerPlace], Tracker]] = {"jsonl": JsonlTracker, "wandb": WandbTracker}
"""What a recipe's `tracking` may name. A factory begins a tracked run, or goes on with the one of an earlier call."""
