-- Nobody keeps a plan that was made while there was nothing in these.
ANALYZE recompute_paths, recompute_buckets
