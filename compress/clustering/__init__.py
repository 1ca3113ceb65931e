"""Weights that share values: k-means codebooks and their reconstruction."""
