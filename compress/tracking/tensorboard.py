"""tensorboard: event files that TensorBoard shows, in OUT/tracking/tensorboard; imported here only, when a run asks.

`tensorboard --logdir OUT/tracking/tensorboard` shows them while the run goes. Nothing is sent anywhere.
"""

import json
from collections.abc import Mapping
from typing import Any

from compress.common.values import Value
from compress.tracking.base import Files, TrackerPlace
from eval.frame_pixels import read_image
from teachers.common.errors import UserError

_FLUSH_S = 10


class TensorBoardTracker:
    """Curves, columns and figures. A later call adds an event file of its own, which TensorBoard joins by tag."""

    def __init__(self, place: TrackerPlace) -> None:
        """UserError where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 # takes a second, and few runs need it
        except ImportError as error:
            raise UserError(f"tensorboard cannot be imported: pip install tensorboard ({error})") from error
        self._writer: Any = SummaryWriter(str(place.folder), flush_secs=_FLUSH_S)

    def config(self, values: Mapping[str, Any]) -> None:
        """Under `Text`, as JSON."""
        for name, value in values.items():
            text = json.dumps(value, indent=1, default=str).replace("\n", "\n    ")
            self._writer.add_text(name, f"    {text}")

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        """Numbers as `candidate/COLUMN/NAME`, so that one column's are beside each other; all of it as a table."""
        for column, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(f"candidate/{column}/{name}", value, 0)
        rows = (f"| {column} | {'' if value is None else _cell(value)} |" for column, value in row.items())
        self._writer.add_text(f"candidate/{name}", "\n".join(("| column | value |", "| --- | --- |", *rows)))

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{series}/{name}", value, step)

    def files(self, files: Files) -> None:
        """The report's figures under `Images`. What else there is lies in the run folder already."""
        for path in files.paths:
            if path.suffix == ".png":
                red_first = read_image(path)[..., ::-1]
                self._writer.add_image(f"{files.name}/{path.stem}", red_first, 0, dataformats="HWC")

    def finish(self, ok: bool) -> None:
        self._writer.add_text("finished", "without an error" if ok else "with an error")
        self._writer.close()

    def abandon(self) -> None:
        """The writer's thread ends with the process."""


def _cell(value: Value) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
