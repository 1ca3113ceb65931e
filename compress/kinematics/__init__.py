"""compress kinematics: video -> tracks, joint angles, files, overlay."""

import compress.common.matplotlib_files  # noqa: F401 - before matplotlib is
