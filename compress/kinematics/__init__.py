"""compress kinematics: video -> tracks, joint angles, files, overlay."""
