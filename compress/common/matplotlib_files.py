"""Matplotlib's list of fonts and its settings: in this project's cache, not in folders of the user's home.

Imported by the packages that draw, before matplotlib reads the variable. A value that the user has set is kept.
"""

import os

from teachers.assets import cache_folder

os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
