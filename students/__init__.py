"""Backbones and stage plans that a teacher can be swapped to."""
