"""The candidate and what goes with it: quantization parameters, the built artefact."""
