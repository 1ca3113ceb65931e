"""Where a step keeps an unfinished training, and what that training began with.

The folder's name stands for all that decides the result. So a training whose photographs, teacher or beginning have
changed would silently start over beside the old one: it is refused, and what differs is named.
"""

import json
from pathlib import Path
from typing import Any

from compress.training.checkpoint import load_state
from compress.training.loop import CHECKPOINT
from teachers.common.errors import UserError
from teachers.common.files import write_text

_BEGUN = "begun.json"
_NAMES = {"teacher": "the teacher", "frames": "the photographs", "network": "the network that it begins with"}


def open_training_folder(work: Path, key: str, begun: dict[str, Any]) -> Path:
    """The folder of this training below `work`.

    begun: `candidate`, `place` and `settings` tell which training it is; `teacher`, `frames` and `network` (hashes)
    what it began with. UserError where the same one lies there unfinished and began with something else.
    """
    folder = work / f"training-{key}"
    if not (folder / CHECKPOINT).is_file():
        for path in sorted(work.glob(f"training-*/{_BEGUN}")):
            _refuse_if_unfinished(path, begun)
    write_text(folder / _BEGUN, json.dumps(begun, indent=1, sort_keys=True) + "\n")
    return folder


def _refuse_if_unfinished(path: Path, begun: dict[str, Any]) -> None:
    other = json.loads(path.read_text(encoding="utf-8"))
    differs = [text for name, text in _NAMES.items() if other.get(name) != begun[name]]
    if not differs or any(other.get(name) != begun[name] for name in ("candidate", "place", "settings")):
        return
    state, steps = load_state(path.parent / CHECKPOINT), begun["settings"]["schedule"]["steps"]
    if state is None or state.step >= steps:
        return
    raise UserError(
        f"{path.parent}: holds {begun['candidate']}'s training, stopped at step {state.step} of {steps}; since then "
        f"changed: {', '.join(differs)}. Put them back to go on; remove the folder to begin anew, or give --out another"
    )
