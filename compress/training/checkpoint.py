"""What a training needs to go on as if it had never stopped, as one file of plain tensors. Nothing is pickled.

Everything random is drawn from the seed and the number of the sample, so no generator's state is kept; the order of
the data follows from the step alone.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from teachers.common.errors import UserError
from teachers.common.files import write_bytes

FORMAT = 1
_PARTS = ("student", "average", "best", "optimiser")


class TrainingState:
    """Tensors by part, and facts."""

    def __init__(self, step: int, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> None:
        """`step`: how many steps are done. `tensors`: parts `student`, `average`, `best` and `optimiser`."""
        self.step, self.tensors, self.facts = step, tensors, facts

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all."""
        flat = {
            f"{part}/{name}": tensor.detach().cpu().contiguous()
            for part in _PARTS
            for name, tensor in self.tensors[part].items()
        }
        notes = {"format": FORMAT, "step": self.step, "facts": self.facts}
        write_bytes(path, save(flat, {"training": json.dumps(notes)}))


def load_state(path: Path) -> TrainingState | None:
    """The state, None if there is none; UserError for a damaged one, which is never overlooked."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads((file.metadata() or {})["training"])
            tensors: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
            for key in file.keys():  # noqa: SIM118 - no mapping
                part, _, name = key.partition("/")
                tensors[part][name] = file.get_tensor(key)
        if notes["format"] != FORMAT:
            raise ValueError(f"format {notes['format']}, this version reads {FORMAT}")
        return TrainingState(int(notes["step"]), tensors, notes["facts"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole checkpoint ({error}); remove it to begin this training anew") from error


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Its moments, by parameter number and name."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}/{name}": value if isinstance(value, Tensor) else torch.tensor(float(value))
        for number, moments in state.items()
        for name, value in moments.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Puts the moments back, each laid out in memory as its parameter is."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        like = parameters[int(number)]
        state.setdefault(int(number), {})[name] = torch.empty_like(like).copy_(value) if value.ndim else value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
