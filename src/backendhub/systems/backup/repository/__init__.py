"""The chunk store: immutable packs, snapshots as commit points, an index that can be rebuilt."""
