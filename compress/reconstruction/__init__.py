"""Passes through a network layer by layer: the graph visitor, least squares, cross-layer equalization."""
