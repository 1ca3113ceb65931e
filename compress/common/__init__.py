"""What every package uses: progress, the fact cache, the run folder, the environment, YAML with line numbers."""
