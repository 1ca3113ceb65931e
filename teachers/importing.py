"""Weights files that people have -> a network of ours with the licence of its weights.

The kind of file is told by its content (`teachers.file_kinds`), the network by the names and shapes inside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from teachers import openpose_mobilenet_v2, openpose_thin, openpose_vgg
from teachers.checkpoint import SPEC, WEIGHTS, load_spec, save_model
from teachers.common.errors import UserError
from teachers.common.files import is_partial, sha256_of, staging, sweep
from teachers.file_kinds import WANTED, Kind, kind_of
from teachers.licence import LICENCE_FILE, Licence
from teachers.openpose_prototxt import from_prototxt
from teachers.openpose_torch import from_published
from teachers.posenet import PoseNet
from teachers.read_caffe import read_caffemodel, read_prototxt
from teachers.read_tensorflow import read_graph
from teachers.read_torch import read_safetensors, read_state_dict
from teachers.skeleton import COCO_18, MPI_15
from teachers.spec import PoseNetSpec
from teachers.weights import check_weights
from teachers.zoo import nearest

COCO, MPI, THIN, V2 = "openpose-coco-vgg19", "openpose-mpi-vgg19", "openpose-mobilenet-thin", "openpose-mobilenet-v2"
NETWORKS = (COCO, MPI, THIN, V2)
CMU = Licence(
    name="CMU OpenPose licence: non-commercial research use only",
    source="CMU Perceptual Computing Lab, OpenPose",
    note="academic or non-profit organization noncommercial research use; it holds for what is made from them as well",
)
KIM = Licence(name="Apache-2.0", source="https://github.com/ildoonet/tf-pose-estimation")
_NAMES = {COCO_18.name: COCO, MPI_15.name: MPI}
_PUBLISHED = {COCO: CMU, MPI: CMU, THIN: KIM, V2: KIM}


@dataclass(frozen=True)
class Imported:
    """What files turned out to hold."""

    network: PoseNet
    """In evaluation mode. Its weights may still lie in the file, which must stay as it is while they are used."""
    licence: Licence
    notes: tuple[str, ...]
    """What a user should know: conversions, prefixes, stages that are not there."""
    kind: str
    """One of `NETWORKS`."""


def import_files(paths: Sequence[Path], licence: Licence | None = None, expected: str | None = None) -> Imported:
    """The network that one weights file holds, checked against its prototxt if that is given too.

    licence: other terms than those under which such weights are published. expected: which of `NETWORKS` it must be.
    UserError says what a file is, what it should be, and names every tensor that does not fit.
    """
    if expected is not None and expected not in NETWORKS:
        raise UserError(f"no network that can be imported is called {expected!r}{nearest(expected, NETWORKS)}")
    path, kind, prototxt = _sorted_out(paths)
    network, notes = _from_caffemodel(path, prototxt) if kind == "caffemodel" else _READERS[kind](path)
    name = _name(network.spec, kind)
    _require(name, expected, path)
    stages = len(network.spec.stages)
    if stages < openpose_vgg.STAGES:
        notes = (*notes, f"{path.name}: the network has {stages} of the {openpose_vgg.STAGES} published stages")
    return Imported(network.eval(), _licence(name, path, licence), notes, name)


def write_model(folder: Path, imported: Imported) -> None:
    """Makes the folder a model: whole, or left as it was. `refuse_folder` says which folders are refused."""
    refuse_folder(folder)
    folder = folder.resolve()
    with staging(folder) as made:
        save_model(made, imported.network, imported.licence)
        folder.mkdir(exist_ok=True)
        sweep(folder)
        # Another network's spec must never stand beside these weights: without a spec a folder is no model.
        (folder / SPEC).unlink(missing_ok=True)
        (made / LICENCE_FILE).replace(folder / LICENCE_FILE)
        (made / WEIGHTS).replace(folder / WEIGHTS)
        (made / SPEC).replace(folder / SPEC)


def refuse_folder(folder: Path) -> None:
    """UserError unless a model may be written there: a new or empty folder, or one that holds an imported model."""
    try:
        above = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except (OSError, ValueError) as error:  # a name too long for a path, a zero byte
        raise UserError(f"{folder}: cannot be a folder: {getattr(error, 'strerror', None) or error}") from error
    if not above.is_dir():
        raise UserError(f"{folder}: {above} is a file; --out takes a folder")
    if above != folder.absolute():
        return
    names = {path.name for path in folder.iterdir() if not is_partial(path)}
    strange = sorted(names - {SPEC, WEIGHTS, LICENCE_FILE})
    if strange:
        # A candidate's folder too: its artefact and its recipe would be those of another network.
        raise UserError(
            f"{folder}: holds {', '.join(strange[:4])}{' and more' if len(strange) > 4 else ''}; "
            f"a new or empty folder would do, or one with {SPEC} and {WEIGHTS} alone"
        )
    if names and SPEC not in names:
        raise UserError(f"{folder}: holds {min(names)} without a {SPEC}, which may be your own; take a new folder")
    if names:
        load_spec(folder)  # whose UserError says that the file is not ours


def _sorted_out(paths: Sequence[Path]) -> tuple[Path, Kind, Path | None]:
    """The weights file, its kind, and the prototxt beside it."""
    kinds = [(path, kind_of(path)) for path in paths]
    prototxts = [path for path, kind in kinds if kind == "prototxt"]
    weights = [(path, kind) for path, kind in kinds if kind != "prototxt"]
    if len(weights) != 1 or len(prototxts) > 1:
        found = ", ".join(f"{path} ({kind})" for path, kind in kinds) or "nothing"
        raise UserError(f"one network at a time: wanted is {WANTED}; got {found}")
    path, kind = weights[0]
    if prototxts and kind != "caffemodel":
        raise UserError(f"{prototxts[0]}: is a Caffe prototxt, but {path} is no Caffe model ({kind}); leave it out")
    return path, kind, prototxts[0] if prototxts else None


def _from_caffemodel(path: Path, prototxt: Path | None) -> tuple[PoseNet, tuple[str, ...]]:
    wanted = from_prototxt(read_prototxt(prototxt), str(prototxt)) if prototxt is not None else None
    blobs, notes = read_caffemodel(path)
    spec, tensors = openpose_vgg.from_caffe(blobs, str(path), wanted)
    return _network(spec, tensors, path), notes


def _from_torch(path: Path) -> tuple[PoseNet, tuple[str, ...]]:
    tensors, notes = read_state_dict(path)
    return _published(tensors, path), notes


def _from_safetensors(path: Path) -> tuple[PoseNet, tuple[str, ...]]:
    tensors, notes = read_safetensors(path)
    return _published(tensors, path), notes


def _from_tensorflow(path: Path) -> tuple[PoseNet, tuple[str, ...]]:
    graph = read_graph(path)
    if not openpose_mobilenet_v2.is_one(graph.constants):
        return openpose_thin.from_constants(graph.constants, str(path)), ()
    found = openpose_mobilenet_v2.from_graph(graph, str(path))
    return _network(found.spec, found.tensors, path), tuple(f"{path.name}: {note}" for note in found.notes)


_READERS = {
    "torch": _from_torch,
    "safetensors": _from_safetensors,
    "tensorflow": _from_tensorflow,
}


def _published(tensors: Mapping[str, Tensor], path: Path) -> PoseNet:
    spec, ours = from_published(tensors, str(path))
    return _network(spec, ours, path)


def _network(spec: PoseNetSpec, tensors: Mapping[str, Tensor], path: Path) -> PoseNet:
    """The tensors become the network's own: nothing is allocated or copied for them."""
    with torch.device("meta"):
        network = PoseNet(spec)
    check_weights(network, tensors, str(path))
    network.load_state_dict(dict(tensors), assign=True)
    return network


def _name(spec: PoseNetSpec, kind: Kind) -> str:
    if kind == "tensorflow":
        return V2 if spec.backbone.name == openpose_mobilenet_v2.BACKBONE else THIN
    return _NAMES[spec.skeleton.name]


def _require(name: str, expected: str | None, path: Path) -> None:
    if expected is not None and name != expected:
        raise UserError(f"{path}: holds {name}, not {expected}; the names and shapes inside tell")


def _licence(name: str, path: Path, stated: Licence | None) -> Licence:
    """The terms, with the file that they were stated or assumed for: recognising a network proves no origin."""
    origin = f"imported from {path.name}, sha256 {sha256_of(path)}"
    if stated is not None:
        return stated.model_copy(update={"note": "; ".join(filter(None, (stated.note, origin)))})
    licence = _PUBLISHED[name]
    assumed = f"assumed, because the network is {name}"
    return licence.model_copy(update={"note": "; ".join(filter(None, (licence.note, assumed, origin)))})
