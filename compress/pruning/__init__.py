"""Which channels and weights to remove: importance, allocation, reconstruction."""
