"""Converters by name. A new target is one file here and one line in this list."""

from collections.abc import Mapping

from compress.export.exporters.base import Exporter
from compress.export.exporters.coreml import CoreMlExporter
from compress.export.exporters.executorch import ExecuTorchExporter
from compress.export.exporters.litert import LiteRtExporter
from compress.export.exporters.ncnn import NcnnExporter
from compress.export.exporters.onnx import OnnxExporter
from compress.export.exporters.openvino import OpenVinoExporter

_ALL: tuple[Exporter, ...] = (
    OnnxExporter(),
    OpenVinoExporter(),
    ExecuTorchExporter(),
    LiteRtExporter(),
    NcnnExporter(),
    CoreMlExporter(),
)
EXPORTERS: Mapping[str, Exporter] = {exporter.name: exporter for exporter in _ALL}
