"""One part of each kind that pose-compress takes from other packages, each in a module of its own."""
