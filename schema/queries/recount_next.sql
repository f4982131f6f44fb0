-- Forget what was staged for the last piece.
TRUNCATE staged_targets, staged_paths
