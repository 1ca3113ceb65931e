"""The teacher's artefact with the maps of every stage as outputs: one pass answers for all of its first stages."""

from dataclasses import dataclass
from pathlib import Path

from compress.core.candidate import Candidate
from compress.export.onnx_export import Graph, cut_at_stage, export_all_stages, load_graph, save_graph
from teachers.common.files import sha256_of, write_text
from teachers.posenet import PoseNet


@dataclass(frozen=True)
class TeacherStages:
    """Exported when it is first asked for, and again if it was damaged since."""

    teacher: Candidate
    folder: Path

    def file(self) -> Path:
        """The artefact, whole."""
        path = self.folder / f"all-stages-{self.teacher.id}.onnx"
        digest = path.with_suffix(".sha256")
        if not path.is_file() or not digest.is_file() or digest.read_text(encoding="utf-8") != sha256_of(path):
            save_graph(export_all_stages(self.teacher.network), path)
            write_text(digest, sha256_of(path))
        return path

    def cut(self, stage: int) -> Graph:
        """The graph of the teacher's first stages."""
        return cut_at_stage(load_graph(self.file()), stage)


def float_graph(network: PoseNet) -> Graph:
    """The graph of a network's last stage."""
    return cut_at_stage(export_all_stages(network), len(network.spec.stages))
