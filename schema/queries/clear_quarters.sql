-- Take out the packed quarters of the staged days, which are written anew.
DELETE FROM campaign_quarters
WHERE ctid = ANY (ARRAY (
	SELECT q.place
	FROM staged_days s
	CROSS JOIN LATERAL (
		SELECT e.ctid AS place
		FROM campaign_quarters e
		WHERE e.campaign_id = s.campaign_id AND e.day = s.day
		OFFSET 0 -- day by day, so that nobody reads the whole table for some of them
	) q))
