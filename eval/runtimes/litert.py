"""LiteRT (TensorFlow Lite) with XNNPACK, which its interpreter applies by itself."""

from pathlib import Path

from eval.runtimes.base import Array, MapsSession, missing_extra, require, version_of
from eval.runtimes.facts import read_facts
from teachers.common.errors import UserError


class LiteRt:
    """LiteRT's interpreter on the CPU."""

    name = "litert"
    suffixes: tuple[str, ...] = (".tflite",)

    @property
    def version(self) -> str:
        """Of the ai-edge-litert package."""
        return version_of("ai-edge-litert")

    def missing(self) -> str | None:
        """See `Runtime`."""
        return missing_extra("LiteRT", "litert", ["ai_edge_litert.interpreter"])

    def start(self) -> None:
        """See `Runtime`."""
        require(self.missing())
        import ai_edge_litert.interpreter  # noqa: F401, PLC0415

    def load(self, artefact: Path, threads: int) -> MapsSession:
        """See `Runtime`."""
        require(self.missing())
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

        facts = read_facts(artefact)
        try:
            interpreter = Interpreter(str(artefact), num_threads=threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{artefact}: not a whole model that LiteRT can run: {error}") from error
        given = interpreter.get_input_details()[0]["index"]
        # In the order of the converted module's outputs, which the names keep and the details need not.
        heatmaps, pafs = (one["index"] for one in sorted(interpreter.get_output_details(), key=lambda one: one["name"]))

        def run(image: Array) -> tuple[Array, Array]:
            interpreter.set_tensor(given, image)
            interpreter.invoke()
            return interpreter.get_tensor(heatmaps), interpreter.get_tensor(pafs)  # copies both

        return MapsSession(artefact, facts, run)
