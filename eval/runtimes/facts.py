"""What goes beside an artefact whose format has no room for it: ARTEFACT.json, with a hash of every file.

The hashes are what tells a damaged file: of the formats here only some notice a missing tail, and none a flipped bit.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from teachers.common.errors import UserError
from teachers.common.files import sha256_of, write_text

FORMAT = 1
_LARGEST_FACTS = 4 * 2**20
"""Bytes; specs have a few kilobytes."""


@dataclass(frozen=True)
class ArtefactFacts:
    """What an artefact is and where it came from."""

    exporter: str
    exporter_version: str
    precision: str
    input_hw: tuple[int, int] | None
    """The only input height and width that it takes; None for any."""
    network: str
    """Hash of the network's content, spec and weights."""
    spec: str
    """JSON of the network's spec."""
    licence: str
    """JSON of the weights' licence."""
    parity: Mapping[str, Any]
    """What its comparison with the network gave; with `reason` alone where it could not be compared."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File name -> sha256, for every file of the artefact; of a folder, over its files."""


def facts_file(artefact: Path) -> Path:
    """Where the facts of an artefact lie."""
    return artefact.with_name(f"{artefact.name}.json")


def write_facts(artefact: Path, facts: ArtefactFacts, names: Sequence[str]) -> None:
    """Writes ARTEFACT.json whole or not at all, with the hashes of the named files beside the artefact."""
    files = {name: sha256(artefact.with_name(name)) for name in names}
    text = json.dumps({"format": FORMAT} | asdict(replace(facts, files=files)), indent=1, sort_keys=True)
    write_text(facts_file(artefact), text + "\n")


def read_facts(artefact: Path) -> ArtefactFacts:
    """The facts of an artefact, every file of which is as it was written. UserError says what is not."""
    if not artefact.exists():
        raise UserError(f"{artefact}: no such artefact")
    path = facts_file(artefact)
    if not path.is_file():
        raise UserError(f"{artefact}: {path.name} is missing; it goes with the artefact, `compress export` writes both")
    found = _parsed(path)
    if found.get("format") != FORMAT:
        raise UserError(f"{path}: is of format {found.pop('format', None)!r}; this version reads format {FORMAT}")
    facts = _checked(path, {name: value for name, value in found.items() if name != "format"})
    for name, digest in facts.files.items():
        file = artefact.with_name(name)
        if not file.exists():
            raise UserError(f"{artefact}: its file {name} is missing")
        if sha256(file) != digest:
            raise UserError(f"{file}: damaged: it is not the file that {path.name} was written for")
    return facts


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FACTS:
            raise UserError(f"{path}: is too large to be the facts of an artefact")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: must be a JSON object")
    return found


def _checked(path: Path, found: dict[str, Any]) -> ArtefactFacts:
    texts = ("exporter", "exporter_version", "precision", "network", "spec", "licence")
    size, files, parity = found.get("input_hw"), found.get("files"), found.get("parity")
    right = (
        set(found) == {*texts, "input_hw", "files", "parity"}
        and all(isinstance(found[name], str) for name in texts)
        and (size is None or (isinstance(size, list) and len(size) == 2 and all(type(one) is int for one in size)))
        and isinstance(parity, dict)
        and isinstance(files, dict)
        and bool(files)
        # Names alone: a file of facts must not send us to other folders.
        and all(isinstance(digest, str) and Path(name).name == name for name, digest in files.items())
    )
    if not right:
        raise UserError(f"{path}: does not hold the facts of an artefact; `compress export` writes them")
    return ArtefactFacts(**(found | {"input_hw": size and tuple(size)}))


def sha256(path: Path) -> str:
    """Of a file's bytes; of a folder's files, their names and their bytes."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()
