-- The targets that were changed hold the path that counts themselves.
DELETE FROM recompute_paths r
USING staged_targets s
JOIN staged_paths p ON p.t = s.t
WHERE s.n IS NULL AND r.conversion_id = s.conversion_id AND r.conversion_date = s.conversion_date
