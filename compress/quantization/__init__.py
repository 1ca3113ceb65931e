"""Networks in fewer bits: which numbers, how they are chosen, the artefact, and the collapse check."""
