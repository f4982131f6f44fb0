-- Store the paths that a recompute will give the targets.
-- $1 shard
INSERT INTO recompute_paths (conversion_id, conversion_date, shard, click_id, click_date, path_extras, path_beyond,
	touch_ids, touch_dates, touch_campaigns, touch_sources, credits)
SELECT s.conversion_id, s.conversion_date, $1::int, p.click_id, p.click_date, p.path_extras, p.path_beyond, p.touch_ids,
	p.touch_dates, p.touch_campaigns, p.touch_sources, p.credits
FROM staged_targets s
JOIN staged_paths p ON p.t = s.t
ORDER BY 1, 2
