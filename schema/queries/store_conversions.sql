-- Store the targets that are not stored yet with their paths, in key order so that two writers cannot deadlock.
-- Another shard may have stored the same id and time meanwhile: answers which were stored.
-- $1 shard
WITH stored AS (
	INSERT INTO conversion_events (conversion_id, conversion_date, user_id, campaign_id, source, type,
		value_minor, named_click_id, click_id, click_date, path_extras, path_beyond, touch_ids, touch_dates,
		touch_campaigns, touch_sources, credits, adjusted_minor, is_cancelled, shard, log_offset,
		accepted_at, attributed_at)
	SELECT s.conversion_id, s.conversion_date, s.user_id, s.campaign_id, s.source, s.type, s.value_minor,
		s.named_click_id, p.click_id, p.click_date, p.path_extras, p.path_beyond, p.touch_ids, p.touch_dates,
		p.touch_campaigns, p.touch_sources, p.credits, s.adjusted_minor, s.is_cancelled, $1::int, s.log_offset,
		s.accepted_at, now()
	FROM staged_targets s
	JOIN staged_paths p ON p.t = s.t
	WHERE s.n IS NOT NULL
	ORDER BY s.conversion_id, s.conversion_date
	ON CONFLICT DO NOTHING
	RETURNING conversion_id, conversion_date
)
SELECT conversion_id, (extract(epoch FROM conversion_date) * 1000)::bigint FROM stored
