"""Direction: teachers < students < eval < compress, and a foreign library has one door."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ["teachers", "students", "eval", "compress"]
DOORS = {
    "accelerate": {"compress/training/engine.py"},
    "fsspec": {"compress/search/artefacts.py"},
    # What runs artefacts, what makes them, and the file that is copied to where nothing of ours is.
    "onnxruntime": {"eval/runtimes/onnxruntime.py", "compress/bench_alone.py"},
    "openvino": {"eval/runtimes/openvino.py", "compress/exporters/openvino.py", "compress/bench_alone.py"},
    "executorch": {"eval/runtimes/executorch.py", "compress/exporters/executorch.py", "compress/bench_alone.py"},
    "ai_edge_litert": {"eval/runtimes/litert.py", "compress/bench_alone.py"},
    "litert_torch": {"compress/exporters/litert.py"},
    "ncnn": {"eval/runtimes/ncnn.py", "compress/bench_alone.py"},
    "pnnx": {"compress/exporters/ncnn.py"},
    "coremltools": {"compress/exporters/coreml.py"},
    "matplotlib": {
        "compress/reporting/figures.py",
        "compress/reporting/kinematic_figures.py",
        "compress/reporting/search_figures.py",
        "compress/reporting/quantized_figures.py",
        "compress/reporting/training_figures.py",
        "compress/kinematics_plots.py",
    },
    "plotly": {"compress/reporting/plotly.py"},
    "av": {"eval/video.py"},
    "pypi_simple": {"teachers/package_index.py"},
    "filelock": {"teachers/lock.py"},
    "scipy": {"eval/filters.py", "eval/tracks.py"},
    "rich": {"compress/progress.py"},
    "psutil": {"eval/process_memory.py"},
    "pycocotools": {"eval/coco.py"},
    "PIL": {"eval/frame_pixels.py"},
    "torch_pruning": {"compress/pruning.py"},
    "onnx": {
        "compress/export.py",
        "compress/layer_model.py",
        "compress/graph_facts.py",
        "compress/quantization/artefact.py",
    },
    "safetensors": {
        "teachers/checkpoint.py",
        "teachers/read_torch.py",
        "compress/training/state.py",
        "students/pretrained.py",
    },
    "google": {"teachers/protobuf_messages.py"},
    "bitarray": {"compress/huffman.py"},
    "optuna": {"compress/search/study.py", "compress/search/sampling.py"},
    "sqlalchemy": {"compress/search/study.py"},
    "wandb": {"compress/tracking/wandb.py"},
}
TORCH_FREE = [
    "allocation",
    "counters",
    "disturbance",
    "energy",
    "energy_counters",
    "latency",
    "memory",
    "memory_probe",
    "process_memory",
    "runtimes/__init__",
    "runtimes/base",
    "runtimes/facts",
    "runtimes/litert",
    "runtimes/ncnn",
    "runtimes/onnxruntime",
    "runtimes/openvino",
]
"""Not runtimes/executorch: its Python package needs torch itself."""


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").split(".")[0])
    return found


def _files() -> dict[str, Path]:
    return {str(path.relative_to(ROOT)): path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}


def test_imports_point_left() -> None:
    checked = 0
    for name, path in _files().items():
        allowed = set(LAYERS[: LAYERS.index(name.split("/")[0]) + 1])
        wrong = (_imports(path) & set(LAYERS)) - allowed
        assert not wrong, f"{name} imports {sorted(wrong)}"
        checked += 1
    assert checked > 20


def test_a_foreign_library_has_one_door() -> None:
    seen: set[str] = set()
    for name, path in _files().items():
        for library in _imports(path) & DOORS.keys():
            assert name in DOORS[library], f"{name} imports {library}"
            seen.add(library)
    assert seen == DOORS.keys()


def test_what_runs_on_a_phone_imports_no_torch() -> None:
    for name in TORCH_FREE:
        assert "torch" not in _imports(ROOT / "eval" / f"{name}.py"), name
    assert TORCH_FREE


def test_files_stay_small() -> None:
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in _files().items()}
    assert len(sizes) > 20
    assert not {name: lines for name, lines in sizes.items() if lines > 300}
