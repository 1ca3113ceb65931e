"""Networks in fewer bits: which numbers, how they are chosen, the artefact that computes with them, and the guard."""
