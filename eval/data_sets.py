"""Public data sets that a recipe can name files of: where they are, and how they are unpacked."""

import json
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from teachers.common.errors import UserError
from teachers.common.files import replacing, write_text
from teachers.resumed_download import OnBytes, RemoteFile, download

COCO_SITE = "http://images.cocodataset.org"
"""As cocodataset.org gives it; the certificate of its https address is of another name."""
_IMAGES = RemoteFile(f"{COCO_SITE}/zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80")
_LABELS = RemoteFile(
    f"{COCO_SITE}/annotations/annotations_trainval2017.zip", 252_907_541, "f4bbac642086de4f52a3fdda2de5fa2c"
)
KEYPOINTS = "annotations/person_keypoints_val2017.json"


@dataclass(frozen=True)
class DataSet:
    """Images and their COCO keypoint file."""

    name: str
    description: str
    images: RemoteFile
    labels: RemoteFile
    people_alone: bool
    """Only images in which a person has labelled keypoints, and a keypoint file of these alone."""
    terms: str


_TERMS = "labels CC-BY-4.0; each photograph under its owner's Flickr terms, not for redistribution"
DATA_SETS: Mapping[str, DataSet] = {
    one.name: one
    for one in (
        DataSet("coco-val2017", "COCO's 5,000 validation images", _IMAGES, _LABELS, False, _TERMS),
        DataSet("coco-people", "those of them that show a labelled person", _IMAGES, _LABELS, True, _TERMS),
    )
}


def at_mirror(data: DataSet, mirror: str) -> DataSet:
    """The same files below another address; their hashes stay."""
    moved = (
        replace(file, url=file.url.replace(COCO_SITE, mirror.rstrip("/"), 1)) for file in (data.images, data.labels)
    )
    images, labels = moved
    return replace(data, images=images, labels=labels)


def pull(data: DataSet, out: Path, progress: Callable[[str], OnBytes]) -> Path:
    """Downloads and unpacks into `out`; the keypoint file that a recipe names. What is there already stays.

    progress: called with the name of each file, gives what is told of its bytes.
    """
    archives = out / "archives"
    target = out / KEYPOINTS
    labels = download(data.labels, archives, progress(data.labels.name))
    content = _read_labels(labels, KEYPOINTS)
    images = download(data.images, archives, progress(data.images.name))
    if data.people_alone:
        content = _with_people(content)
    unpack(images, out, {f"val2017/{image['file_name']}" for image in content["images"]})
    write_text(target, json.dumps(content))  # last: where it lies, all of its images do
    return target


def unpack(archive: Path, out: Path, wanted: Collection[str]) -> int:
    """Writes these members below `out`, each whole or not at all; how many were not there yet."""
    written = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            there = set(opened.namelist())
            missing = sorted(set(wanted) - there)
            if missing:
                raise UserError(f"{archive}: holds no {missing[0]}, nor {len(missing) - 1} others")
            for name in sorted(wanted):
                plain = PurePosixPath(name)
                if plain.is_absolute() or ".." in plain.parts:
                    raise UserError(f"{archive}: {name} would lie outside of {out}")
                path = out / plain
                if path.is_file() and path.stat().st_size == opened.getinfo(name).file_size:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(name) as source, replacing(path) as temporary, temporary.open("wb") as into:
                    shutil.copyfileobj(source, into)
                written += 1
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{archive}: is no whole zip file: {error}") from error
    return written


def _read_labels(archive: Path, member: str) -> dict[str, list[dict[str, object]]]:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
            found: dict[str, list[dict[str, object]]] = json.load(file)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UserError(f"{archive}: has no readable {member}: {error}") from error
    return found


def _with_people(content: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    people = {one["image_id"] for one in content["annotations"] if one.get("num_keypoints") and not one.get("iscrowd")}
    return content | {
        "images": [image for image in content["images"] if image["id"] in people],
        "annotations": [one for one in content["annotations"] if one["image_id"] in people],
    }
