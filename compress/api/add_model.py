"""A candidate becomes a folder of the zoo: int8 or fp32 artefact, packed file, card, recipe, licence, knee curve."""

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from compress.common.run_folder import RECIPE
from compress.core.built import ARTEFACT, LICENCE
from compress.core.candidate import Candidate
from compress.packing.pack_file import pack
from compress.report.figures.knee import knee_curve, knee_png
from compress.run.load_candidate import saved_candidate
from compress.run.shipped_models import ZOO
from compress.run.zoo_card import CARD, card_facts, card_text
from teachers.checkpoint import is_model
from teachers.common.errors import UserError
from teachers.common.files import write_bytes, write_text
from teachers.licence import licence_text
from teachers.registry import teacher_names

MOST_BYTES = 15_000_000
"""Of the whole zoo: it lies in every clone."""
FLOAT_ARTEFACT, PACKED, KNEE = "model-fp32.onnx", "model.posepack", "knee.png"


@dataclass(frozen=True)
class NewModel:
    """What is to be shipped, and as what."""

    name: str
    folder: Path
    """Of the candidate that is run by the name."""
    float_folder: Path | None = None
    """Of its float twin, where the candidate is in int8."""
    curves: tuple[Path, Path] | None = None
    """Folders that `compress kinematics` left for the candidate and for the reference."""
    trained_on: str | None = None
    """The data that it learnt from, and their licences."""


def add_model(model: NewModel, zoo: Path = ZOO, replace_old: bool = False) -> Path:
    """Writes `zoo/NAME`, whole or not at all, and gives it back. UserError for what cannot be shipped."""
    target = zoo / model.name
    _check(model, target, replace_old)
    candidate = saved_candidate(str(model.folder))
    facts = card_facts(model.name, model.folder, candidate, model.trained_on)
    if facts.record is not None and facts.record.rejected_reason is not None:
        raise UserError(f"{model.folder}: was rejected by its run: {facts.record.rejected_reason}")
    zoo.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=zoo, prefix=".new-") as temporary:
        made = Path(temporary) / model.name
        made.mkdir()
        _copy(model, candidate, made)
        if model.curves is not None:
            reference = knee_curve(model.curves[1])
            picture = knee_png(model.name, knee_curve(model.curves[0], reference.joint), reference)
            write_bytes(made / KNEE, picture)
            facts = replace(facts, picture=KNEE)
        write_text(made / CARD, card_text(facts))
        _require_room(made, zoo, target)
        if target.exists():
            target.rename(Path(temporary) / "before")  # removed with it: one of the two is there at nearly any moment
        made.rename(target)
    return target


def _check(model: NewModel, target: Path, replace_old: bool) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,60}", model.name):
        raise UserError(f"--name: small letters, digits, dots and dashes, got {model.name!r}")
    if model.name in teacher_names():
        raise UserError(f"--name: {model.name} is a teacher's name; a model of the zoo needs another")
    if target.exists() and not replace_old:
        raise UserError(f"{target}: is there already; --replace takes its place")
    for folder in (model.folder, model.float_folder):
        if folder is not None and not (is_model(folder) and (folder / ARTEFACT).is_file()):
            raise UserError(f"{folder}: is no candidate's folder; it holds no network with its {ARTEFACT}")


def _copy(model: NewModel, candidate: Candidate, made: Path) -> None:
    shutil.copyfile(model.folder / ARTEFACT, made / ARTEFACT)
    if model.float_folder is not None:
        if saved_candidate(str(model.float_folder)).quantization is not None:
            raise UserError(f"{model.float_folder}: --float is the twin in fp32; this one is quantized")
        shutil.copyfile(model.float_folder / ARTEFACT, made / FLOAT_ARTEFACT)
    packed = pack(candidate.network, candidate.licence, False, candidate.quantization, candidate.inference)
    write_bytes(made / PACKED, packed.data)
    if (model.folder / RECIPE).is_file():
        shutil.copyfile(model.folder / RECIPE, made / RECIPE)
    write_text(made / LICENCE, licence_text(candidate.licence))


def _require_room(made: Path, zoo: Path, target: Path) -> None:
    others = [path for path in zoo.rglob("*") if path.is_file() and not _below(path, target, made)]
    size = sum(path.stat().st_size for path in [*others, *(path for path in made.rglob("*") if path.is_file())])
    if size > MOST_BYTES:
        raise UserError(
            f"{zoo}: would hold {size / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:.0f} are shipped; leave out --float, "
            "or remove a model"
        )


def _below(path: Path, *folders: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
