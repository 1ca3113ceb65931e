"""Steps: each takes a candidate and gives back a smaller one. Adding one means one file and one line here."""

from compress.steps.base import Step
from compress.steps.remove_stages import RemoveStages

STEPS: tuple[type[Step], ...] = (RemoveStages,)
