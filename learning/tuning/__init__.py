"""Which configuration is best, under constraints: trials on the real thing, few, bounded, and undone when they fail."""
