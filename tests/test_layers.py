"""Direction: teachers < students < eval < compress, and a foreign library has one door."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ["teachers", "students", "eval", "compress"]
PACKAGES = [
    "common",
    "core",
    "reconstruction",
    "export",
    "pruning",
    "clustering",
    "quantization",
    "packing",
    "training",
    "steps",
    "tracking",
    "measure",
    "results",
    "recipe",
    "run",
    "search",
    "report",
    "kinematics",
    "teacher_training",
    "bench",
    "api",
    "cli",
]
"""Inside compress: each may import only those before it."""
DOORS = {
    "accelerate": {"compress/training/engine.py"},
    "fsspec": {"compress/search/artefact_store.py"},
    # What runs artefacts, what makes them, and the file that is copied to where nothing of ours is.
    "onnxruntime": {"eval/silent_imports.py", "eval/runtimes/onnxruntime.py"},
    "openvino": {"eval/silent_imports.py"},
    "executorch": {
        "eval/runtimes/executorch.py",
        "compress/export/exporters/executorch.py",
        "compress/bench/standalone.py",
    },
    "ai_edge_litert": {"eval/runtimes/litert.py", "compress/bench/standalone.py"},
    "litert_torch": {"compress/export/exporters/litert.py"},
    "ncnn": {"eval/runtimes/ncnn.py", "compress/bench/standalone.py"},
    "pnnx": {"compress/export/exporters/ncnn.py"},
    "coremltools": {"compress/export/exporters/coreml.py"},
    "jinja2": {"compress/report/html.py"},
    "matplotlib": {
        "compress/report/figures/canvas.py",
        "compress/report/figures/pareto.py",
        "compress/report/figures/bars.py",
        "compress/report/figures/curves.py",
        "compress/report/figures/joint_angles.py",
        "compress/kinematics/plots.py",
    },
    "plotly": {"compress/report/plotly.py"},
    "av": {"eval/video.py"},
    "pypi_simple": {"teachers/package_index.py"},
    "filelock": {"teachers/common/lock.py"},
    "scipy": {"eval/angle_errors.py", "eval/filters.py", "eval/tracks.py", "compress/results/rank_agreement.py"},
    "rich": {"compress/common/display.py"},
    "psutil": {"eval/process_memory.py"},
    "pycocotools": {"eval/coco.py"},
    "PIL": {"eval/frame_pixels.py"},
    "torch_pruning": {"compress/pruning/dependency_graph.py"},
    "onnx": {
        "compress/export/onnx_export.py",
        "compress/pruning/layer_model.py",
        "compress/export/onnx_graph.py",
        "compress/quantization/artefact_reader.py",
        "compress/export/graph_writer.py",
    },
    "safetensors": {
        "teachers/checkpoint.py",
        "teachers/read_torch.py",
        "compress/training/checkpoint.py",
        "students/pretrained.py",
    },
    "google": {"teachers/protobuf_messages.py"},
    "bitarray": {"compress/packing/huffman.py"},
    "optuna": {
        "compress/search/study.py",
        "compress/search/ranking.py",
        "compress/search/seeded_sampler.py",
        "compress/search/optuna_storage.py",
    },
    "sqlalchemy": {"compress/search/study.py", "compress/search/optuna_storage.py"},
    "wandb": {"compress/tracking/wandb.py"},
}
TORCH_FREE = [
    "allocation",
    "counters",
    "cpu_load",
    "energy",
    "energy_counters",
    "latency",
    "memory",
    "memory_probe",
    "onnx_session",
    "process_memory",
    "runtimes/__init__",
    "runtimes/base",
    "runtimes/facts",
    "runtimes/litert",
    "runtimes/ncnn",
    "runtimes/onnxruntime",
    "runtimes/openvino",
    "silent_imports",
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


def _packages_imported(path: Path) -> set[str]:
    """Packages inside compress that a file imports, also for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("compress.")}
    return found & set(PACKAGES)


def test_packages_inside_compress_point_left() -> None:
    folders = {path.parent.name for path in (ROOT / "compress").glob("*/__init__.py")}
    assert folders == set(PACKAGES)
    checked = 0
    for place, package in enumerate(PACKAGES):
        for path in (ROOT / "compress" / package).rglob("*.py"):
            wrong = _packages_imported(path) - set(PACKAGES[: place + 1])
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"
            checked += 1
    assert checked > 100


def test_few_files_lie_flat_in_compress() -> None:
    assert {path.name for path in (ROOT / "compress").glob("*.py")} == {"__init__.py", "__main__.py"}


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
