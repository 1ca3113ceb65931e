"""Converters by name. A new target is one file here and one line in this list."""

from collections.abc import Mapping

from compress.exporters.base import Exporter
from compress.exporters.coreml import CoreMlExporter
from compress.exporters.executorch import ExecuTorchExporter
from compress.exporters.litert import LiteRtExporter
from compress.exporters.ncnn import NcnnExporter
from compress.exporters.onnx import OnnxExporter
from compress.exporters.openvino import OpenVinoExporter

_ALL: tuple[Exporter, ...] = (
    OnnxExporter(),
    OpenVinoExporter(),
    ExecuTorchExporter(),
    LiteRtExporter(),
    NcnnExporter(),
    CoreMlExporter(),
)
EXPORTERS: Mapping[str, Exporter] = {exporter.name: exporter for exporter in _ALL}
