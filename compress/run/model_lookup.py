"""MODEL on the command line -> what is run: a teacher, a model's folder or an .onnx file, as one loaded artefact.

A teacher without an artefact is exported once, proved equal to its network, and kept in CACHE/artefacts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from compress.common.run_folder import CANDIDATES, RECIPE, RECORDS
from compress.core.built import ARTEFACT
from compress.export.inference_file import load_inference
from compress.export.onnx_export import save_candidate
from compress.measure.kinematics import Kinematics
from compress.measure.latency_facts import Latencies
from compress.quantization.qdq_graph import graph_of
from compress.recipe.loader import Recipe, stored_recipe
from compress.results.goals import chosen, parse_goals
from compress.results.records import Record, read_records
from compress.run.builder import largest_difference
from compress.run.load_candidate import no_model_file, saved_candidate
from compress.run.shipped_models import shipped_models
from eval.inference import INFERENCE, Inference, check_inference, read_inference
from eval.runtimes import RUNTIMES, Session
from teachers.assets import cache_part, nearest
from teachers.checkpoint import SPEC, WEIGHTS, is_model, load_spec
from teachers.common.errors import UserError
from teachers.common.files import replacing, sha256_of, user_path
from teachers.licence import Licence
from teachers.registry import teacher_names
from teachers.spec import PoseNetSpec

RUNTIME = "onnxruntime"
RUNS = Path("runs")
NOT_GOOD_ENOUGH = (None, "not for angles")
OnBytes = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Model:
    """A network that can be run, whatever the user named it by."""

    name: str
    kind: Literal["teacher", "folder", "onnx"]
    artefact: Path
    spec: PoseNetSpec
    licence: Licence
    session: Session
    threads: int
    inference: Inference | None = None
    """How it is run on a frame, if it says so."""

    @property
    def usual_inference(self) -> Inference:
        """How it is run unless told otherwise; without a word of its own, at one scale, 1."""
        return self.inference or Inference(scales=(1.0,))

    def facts(self) -> dict[str, Any]:
        """What files of results hold about it; no path of this machine."""
        return {
            "name": self.name,
            "kind": self.kind,
            "spec_sha256": self.spec.digest(),
            "artefact_bytes": self.artefact.stat().st_size,
            "artefact_sha256": sha256_of(self.artefact),
            "backbone": self.spec.backbone.name,
            "stages": len(self.spec.stages),
            "stride": self.spec.stride,
            "skeleton": self.spec.skeleton.name,
            "licence": self.licence.model_dump(mode="json"),
            "runtime": {"name": RUNTIME, "version": RUNTIMES[RUNTIME].version, "threads": self.threads},
        }


def open_model(text: str, threads: int, on_bytes: OnBytes | None = None) -> Model:
    """The model that a teacher's or a shipped model's name, a folder or an .onnx file stands for, loaded.

    UserError names what would do: a wrong name, a folder without a model, an .onnx file that is not ours.
    """
    path = user_path(text)
    if text in teacher_names():
        return _loaded(text, "teacher", _exported(text, on_bytes), threads)
    if (shipped := shipped_models().get(text)) is not None:
        return _loaded(text, "onnx", shipped.artefact, threads)
    if path.suffix.lower() == ".onnx":
        if not path.is_file():
            raise UserError(f"{text}: there is no such file{_nearest(text)}")
        return _loaded(path.name, "onnx", path, threads)
    if not is_model(path):
        raise _not_a_model(text, path)
    name = path.resolve().name
    if not (path / ARTEFACT).is_file():
        loaded = _loaded(name, "folder", _exported(text, on_bytes), threads)
        return replace(loaded, inference=load_inference(path))
    model = replace(_loaded(name, "folder", path / ARTEFACT, threads), inference=load_inference(path))
    if model.spec != load_spec(path):
        raise UserError(
            f"{path}: {SPEC} and {ARTEFACT} are of two different networks; remove {ARTEFACT} and call again"
        )
    return model


@dataclass(frozen=True)
class DefaultModel:
    """What to run when the user names no model, and why that."""

    model: str
    reason: str


def default_model(runs: Path = RUNS) -> DefaultModel:
    """Of the newest run the candidate that its goals choose, or without goals the fastest good for angles.

    The teacher where there is no such candidate, or no run.
    """
    newest = _newest_run(runs)
    if newest is None:
        return DefaultModel(teacher_names()[0], f"there is no run under {runs}/: the teacher")
    records = read_records(newest / RECORDS)
    best, reason = _best(newest, [record for record in records if _is_there(record, newest)])
    if best is not None:
        return DefaultModel(str(newest / CANDIDATES / best.name), reason)
    known = [
        record.teacher for record in records if record.teacher in teacher_names() or is_model(Path(record.teacher))
    ]
    return DefaultModel(known[0] if known else teacher_names()[0], f"{reason}: the teacher")


def _newest_run(runs: Path) -> Path | None:
    found = [records for records in runs.glob(f"*/{RECORDS}") if records.is_file()]
    return max(found, key=lambda records: records.stat().st_mtime).parent if found else None


def _is_there(record: Record, run: Path) -> bool:
    """Whether it is a candidate that was finished and still lies in the run's folder."""
    artefact = run / CANDIDATES / record.name / ARTEFACT
    good = record.usable
    return record.role == "candidate" and good and artefact.is_file()


def _best(run: Path, records: Sequence[Record]) -> tuple[Record | None, str]:
    """Which candidate, or None, and why. Goals that do not speak of angles do not make up for bad ones."""
    good = [record for record in records if _tier(record) not in NOT_GOOD_ENOUGH]
    recipe, note = _recipe_of(run)
    goals = parse_goals(recipe.goals) if recipe is not None else ()
    if recipe is not None and goals:
        of_angles = any(goal.part == "kinematics" for goal in goals)
        best = chosen(records if of_angles else good, goals, recipe.objectives)
        also = "" if of_angles else " and is good enough for angles"
        if best is None:
            return None, f"no candidate of {run} meets the goals of its recipe{also}"
        return best, f"the best candidate of {run} that meets the goals of its recipe{also}"
    timed = [(found.first.total_ms, record) for record in good if (found := record.facts(Latencies)) is not None]
    if not timed:
        return None, f"no candidate of {run} is recorded as good enough for angles{note}"
    _, best = min(timed, key=lambda pair: pair[0])
    return best, f"the fastest candidate of {run} that is good enough for angles ({_tier(best)}){note}"


def _recipe_of(run: Path) -> tuple[Recipe | None, str]:
    """The recipe that was run; None where it cannot be read, with a note for the user if a file is there."""
    path = run / RECIPE
    if not path.is_file():
        return None, ""
    try:
        return stored_recipe(path), ""
    except UserError:
        # Written by another version or edited: the records still tell the fastest, but not what it should keep.
        return None, f"; {path} cannot be read, so its goals are not known"


def _tier(record: Record) -> str | None:
    kinematics = record.facts(Kinematics)
    return None if kinematics is None else kinematics.tier


def _exported(text: str, on_bytes: OnBytes | None) -> Path:
    """The artefact of a teacher or of a folder with weights alone, from the cache if it was exported before."""
    candidate = saved_candidate(text, on_bytes)
    network, path = candidate.network, cache_part("artefacts") / f"{candidate.id}.onnx"
    if path.is_file():
        return path
    try:
        with replacing(path) as temporary:
            save_candidate(graph_of(network, candidate.quantization), replace(candidate, inference=None), temporary)
            random = np.random.default_rng(0).uniform(
                0, 255, (1, 3, 16 * network.spec.multiple, 20 * network.spec.multiple)
            )
            largest_difference(candidate, temporary, [random.astype(np.float32)])
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; COMPRESS_CACHE may name another folder"
        ) from error
    return path


def _loaded(name: str, kind: Literal["teacher", "folder", "onnx"], artefact: Path, threads: int) -> Model:
    session = RUNTIMES[RUNTIME].load(artefact, threads)
    carried = session.metadata()
    if "spec" not in carried:
        raise UserError(
            f"{artefact}: was not made by us: its metadata hold no spec, so the meaning of its maps is unknown; "
            "an .onnx file from a candidate's folder would do"
        )
    try:
        spec = PoseNetSpec.model_validate_json(carried["spec"])
        licence = Licence.model_validate_json(carried.get("licence", '{"name": "unknown", "source": ""}'))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{artefact}: the spec or the licence in its metadata is wrong: {first['msg']}") from error
    inference = read_inference(carried.get(INFERENCE), str(artefact))
    if inference is not None:
        check_inference(inference, spec)
    return Model(name, kind, artefact, spec, licence, session, threads, inference)


def _not_a_model(text: str, path: Path) -> UserError:
    if path.is_file():
        return no_model_file(text, path)
    if not path.is_dir():
        return UserError(f"no model is called {text!r}{_nearest(text)}, and there is no such folder")
    inside = [str(folder) for folder in sorted(_models_below(path))]
    if inside:
        return UserError(f"{text}: this folder holds models, it is none itself; give one of: {', '.join(inside)}")
    return UserError(f"{text}: this folder holds no {SPEC}; a model's folder holds {SPEC} and {ARTEFACT} or {WEIGHTS}")


def _nearest(text: str) -> str:
    return nearest(text, [*teacher_names(), *shipped_models(), *map(str, sorted(_models_below(RUNS)))])


def _models_below(folder: Path) -> Iterator[Path]:
    for pattern in (f"*/{SPEC}", f"{CANDIDATES}/*/{SPEC}", f"*/{CANDIDATES}/*/{SPEC}"):
        yield from (spec.parent for spec in folder.glob(pattern))
