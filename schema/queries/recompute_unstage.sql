-- Make room for what a recompute would give the same targets.
TRUNCATE staged_paths
