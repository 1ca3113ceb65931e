"""Libraries that would leave something in the user's home or report their use, imported so that they
do neither.

The single file of `compress bench --script` has this text in it, so it needs Python 3.9 and nothing of ours.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def import_onnxruntime() -> Any:
    """Its wheels since 1.29 write a device id and queued events into the user's cache and send them to Microsoft."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read while the library is loaded, so it has to stand before that
    import onnxruntime  # noqa: PLC0415

    return onnxruntime


def import_openvino() -> Any:
    """Importing it writes an id into ~/intel and sends an event to Google Analytics, unless that package is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: any import of it fails
    import openvino  # noqa: PLC0415

    return openvino
