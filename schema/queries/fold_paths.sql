-- Give some of a shard's conversions the path that counts for them already. Answers the last one's key and how
-- many; no row: there are none behind that key.
-- $1 shard, $2 how many, $3 $4 the last one's key before
WITH next AS MATERIALIZED (
	SELECT ctid AS place, conversion_date, conversion_id
	FROM recompute_paths
	WHERE shard = $1::int AND (conversion_date, conversion_id) > ($3::timestamptz, $4::uuid)
	ORDER BY conversion_date, conversion_id
	LIMIT $2::int
), taken AS (
	DELETE FROM recompute_paths
	WHERE ctid = ANY (ARRAY (SELECT place FROM next))
	RETURNING *
), changed AS (
	UPDATE conversion_events c
	SET click_id = p.click_id, click_date = p.click_date, path_extras = p.path_extras, path_beyond = p.path_beyond,
		touch_ids = p.touch_ids, touch_dates = p.touch_dates, touch_campaigns = p.touch_campaigns,
		touch_sources = p.touch_sources, credits = p.credits
	FROM taken p
	WHERE c.conversion_id = p.conversion_id AND c.conversion_date = p.conversion_date
)
SELECT conversion_date, conversion_id, count(*) OVER ()
FROM next
ORDER BY 1 DESC, 2 DESC
LIMIT 1
