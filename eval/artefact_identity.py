"""Which artefact a file is: its hash, the network inside, and a name that tells it from the others of the same call.

The single file of `compress bench --script` has this text in it, so it needs Python 3.9 and nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

NETWORK = "pose_compress_network"
"""Key of an ONNX artefact's metadata: the hash of its network's content, as ARTEFACT.json holds it of other formats."""
_ID = re.compile(rb"[0-9a-f]{16}")
_OURS = "model"
"""What files of ours are called, each in the folder of its candidate."""


def identities(paths: Sequence[Path]) -> list[dict[str, str | None]]:
    """By what a report finds whose time a row is, and what people call it."""
    names, networks = short_names(paths), [network_of(path) for path in paths]
    return [
        {"file": name, "sha256": sha256(path), "network": network, "precision": precision}
        for path, name, (network, precision) in zip(paths, names, networks)  # noqa: B905 - for Python 3.9
    ]


def sha256(path: Path) -> str:
    """Of the file; it is how a report finds whose time this is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def network_of(path: Path) -> tuple[str | None, str | None]:
    """The hash of the network that an artefact holds, and the precision that its weights were rounded to.

    Inside an ONNX file, beside any other, where it counts if it is of this very file. None for what nothing says.
    """
    if path.suffix == ".onnx":
        # A protobuf string is its tag, its length, its bytes: read so, for onnx may not be installed here.
        _, key, rest = path.read_bytes().rpartition(NETWORK.encode() + b"\x12\x10")
        found = _ID.match(rest) if key else None
        return (found[0].decode() if found else None), None
    try:
        facts = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8-sig"))
        network, precision, digest = facts["network"], facts["precision"], facts["files"][path.name]
        right = isinstance(precision, str) and _ID.fullmatch(network.encode()) and digest == sha256(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, None
    return (network, precision) if right else (None, None)


def short_names(paths: Sequence[Path]) -> list[str]:
    """The end of each path as it was given, as long as it takes to tell them apart; of ours with the folder."""
    parts = [path.parts for path in paths]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(one[-max(length, 1 + one[-1].startswith(_OURS)) :]) for one in parts]
        if len(set(names)) == len(set(parts)):
            break
    return [name.encode("utf-8", "backslashreplace").decode() for name in names] if parts else []
