"""compress teachers train: a teacher learns from labelled photographs."""
