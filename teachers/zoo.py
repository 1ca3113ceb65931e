"""What zoo.yaml holds: published weights and samples, each pinned to one member of one package file."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from teachers.common.errors import UserError

ZOO = Path(__file__).with_name("zoo.yaml")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz")


def _inside(member: str) -> str:
    path = PurePosixPath(member)
    if not path.parts or path.is_absolute() or ".." in path.parts or str(path) != member:
        raise ValueError("must be a plain relative path with forward slashes")
    return member


def _archive(filename: str) -> str:
    if "/" in filename or "\\" in filename or filename.startswith(".") or not filename.endswith(ARCHIVES):
        raise ValueError(f"must be a file name that ends in one of {', '.join(ARCHIVES)}")
    return filename


Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Asset:
    """One file that is not ours: where it is published, under which terms, and exactly which bytes it has."""

    name: Text
    kind: Literal["teacher", "video"]
    description: Text
    licence: Text
    """An SPDX identifier."""
    source: Text
    """The page of its authors."""
    package: Text
    version: Text
    filename: Annotated[str, AfterValidator(_archive)]
    """The distribution file: a wheel or a source distribution."""
    sha256: Sha256
    """Of the distribution file."""
    member: Annotated[str, AfterValidator(_inside)]
    """Path inside the distribution file; for a source distribution relative to its one top folder."""
    member_sha256: Sha256

    @property
    def basename(self) -> str:
        """The member's own file name."""
        return PurePosixPath(self.member).name


@cache
def _read(path: Path) -> Mapping[str, Asset]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    named = [{"name": name, **fields} for name, fields in entries.items()]
    assets = TypeAdapter(list[Asset]).validate_python(named)
    return MappingProxyType({asset.name: asset for asset in assets})


def known_assets() -> Mapping[str, Asset]:
    """Every asset of zoo.yaml by name, in the file's order."""
    return _read(ZOO)


def find_asset(name: str) -> Asset:
    """The asset of that name; UserError gives the nearest valid name."""
    assets = known_assets()
    if name not in assets:
        raise UserError(f"no asset is called {name!r}{nearest(name, assets)}")
    return assets[name]


def nearest(name: str, valid: Iterable[str]) -> str:
    """` (did you mean X?)` for a misspelt name, else ` (there is: A, B)`; made to follow the name in a message."""
    names = list(valid)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else f" (there is: {', '.join(names)})"
