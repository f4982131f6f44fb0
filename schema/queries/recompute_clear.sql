-- Forget what was prepared. Rows are deleted, since emptying the tables at once would wait for all who read them.
WITH paths AS (
	DELETE FROM recompute_paths
), buckets AS (
	DELETE FROM recompute_buckets
), days AS (
	DELETE FROM recompute_days
), work AS (
	DELETE FROM recompute_work
), windows AS (
	DELETE FROM recompute_windows
)
DELETE FROM recompute_models
