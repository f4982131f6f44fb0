-- Give some of a shard's conversions the path that counts for them already; answers how many.
-- $1 shard, $2 how many
WITH taken AS (
	DELETE FROM recompute_paths
	WHERE ctid = ANY (ARRAY (SELECT ctid FROM recompute_paths WHERE shard = $1::int LIMIT $2::int))
	RETURNING *
), changed AS (
	UPDATE conversion_events c
	SET click_id = p.click_id, click_date = p.click_date, path_extras = p.path_extras, path_beyond = p.path_beyond,
		touch_ids = p.touch_ids, touch_dates = p.touch_dates, touch_campaigns = p.touch_campaigns,
		touch_sources = p.touch_sources, credits = p.credits
	FROM taken p
	WHERE c.conversion_id = p.conversion_id AND c.conversion_date = p.conversion_date
)
SELECT count(*) FROM taken
