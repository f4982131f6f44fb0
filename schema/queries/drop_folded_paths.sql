-- The targets that were changed hold the path that counts themselves.
DELETE FROM recompute_paths
WHERE ctid = ANY (ARRAY (
	SELECT r.place
	FROM staged_targets s
	JOIN staged_paths p ON p.t = s.t
	CROSS JOIN LATERAL (
		SELECT e.ctid AS place
		FROM recompute_paths e
		WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
		OFFSET 0 -- target by target, however few rows there were when this was planned
	) r
	WHERE s.n IS NULL))
