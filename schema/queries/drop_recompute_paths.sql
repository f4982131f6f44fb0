-- Drop what a recompute would give these targets.
-- $1 targets
DELETE FROM recompute_paths r
USING staged_targets s
WHERE s.t = ANY ($1::int[]) AND r.conversion_id = s.conversion_id AND r.conversion_date = s.conversion_date
