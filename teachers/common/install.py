"""Which `pip install` puts an optional part in: by the packages themselves, as our own name stands on no index."""

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires

_NAME = "pose-compress"


def install_command(extra: str) -> str:
    """The command that installs what an extra of ours asks for; it needs neither a clone nor our name on an index."""
    try:
        asked = requires(_NAME) or []
    except PackageNotFoundError:  # run from a folder that was never installed
        asked = []
    wanted = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    packages = [text.partition(";")[0].strip() for text in asked if wanted.search(text)]
    return shlex.join(["pip", "install", *(packages or [extra])])
