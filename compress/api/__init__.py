"""The Python API: what `import compress` offers and the command line calls."""
