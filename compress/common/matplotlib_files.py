"""Matplotlib's list of fonts and its settings: in this project's cache, not in folders of the user's home.

Imported by the packages that draw, before matplotlib reads the variable. A value that the user has set is kept. Where
the cache cannot be used, a folder of this process: matplotlib would make one too, and warn on the terminal.
"""

import atexit
import os
import shutil
import tempfile

from teachers.assets import cache_part
from teachers.common.errors import UserError

if "MPLCONFIGDIR" not in os.environ:
    try:
        os.environ["MPLCONFIGDIR"] = str(cache_part("matplotlib"))
    except UserError:
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="compress-matplotlib-")
        atexit.register(shutil.rmtree, os.environ["MPLCONFIGDIR"], ignore_errors=True)
