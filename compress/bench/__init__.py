"""compress bench: artefacts timed on any machine, with or without this project."""
