"""axe-core, the accessibility rules that browsers' own tools use: fetched once by npm where that is possible."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
MEMBER = "package/axe.min.js"


def fetch_axe(folder: Path) -> tuple[str | None, str]:
    """Its source, checked against the pinned hash; or None and why there is none."""
    npm = shutil.which("npm")
    if npm is None:
        return None, "npm is not there"
    call = [npm, "pack", f"axe-core@{VERSION}", "--silent"]
    try:
        subprocess.run(call, cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return None, f"npm could not fetch axe-core {VERSION}: {error}"
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        source = member.read()
    assert hashlib.sha256(source).hexdigest() == SHA256, "not the file that was looked at when this was written"
    return source.decode(), ""
