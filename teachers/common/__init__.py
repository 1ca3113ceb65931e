"""What every layer uses: errors, atomic files, locks, frozen settings."""
