-- Drop what a recompute would give these targets.
-- $1 targets
DELETE FROM recompute_paths
WHERE ctid = ANY (ARRAY (
	SELECT r.place
	FROM staged_targets s
	CROSS JOIN LATERAL (
		SELECT e.ctid AS place
		FROM recompute_paths e
		WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
		OFFSET 0 -- target by target, however few rows there were when this was planned
	) r
	WHERE s.t = ANY ($1::int[])))
