-- From here on tables of this connection stand in the place of those that a recompute fills: nothing is left behind.
CREATE TEMP TABLE recompute_windows (LIKE recompute_windows INCLUDING ALL);
CREATE TEMP TABLE recompute_models (LIKE recompute_models INCLUDING ALL);
CREATE TEMP TABLE recompute_work (LIKE recompute_work INCLUDING ALL);
CREATE TEMP TABLE recompute_paths (LIKE recompute_paths INCLUDING ALL);
CREATE TEMP TABLE recompute_buckets (LIKE recompute_buckets INCLUDING ALL);
CREATE TEMP TABLE recompute_days (LIKE recompute_days INCLUDING ALL);
CREATE TEMP TABLE recompute (LIKE recompute INCLUDING ALL);
INSERT INTO recompute (state) VALUES ('none');
