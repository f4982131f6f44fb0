-- How many conversions get another path?
SELECT count(*) FROM recompute_paths
