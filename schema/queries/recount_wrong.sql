-- Keep the staged conversions whose stored path, or adjusted value, is not the one that was made.
INSERT INTO wrong_attributions (shard, conversion_id, conversion_date, campaign_id, click_id, click_date, touches,
	right_click_id, right_click_date, right_touches)
SELECT c.shard, c.conversion_id, c.conversion_date, c.campaign_id, c.click_id, c.click_date, cardinality(c.touch_ids),
	p.click_id, p.click_date, cardinality(p.touch_ids)
FROM staged_targets s
JOIN staged_paths p ON p.t = s.t
CROSS JOIN LATERAL (
	SELECT e.*
	FROM conversion_events e
	WHERE e.conversion_id = s.conversion_id AND e.conversion_date = s.conversion_date
	OFFSET 0
) c
