-- Folding in goes through a shard's prepared paths in the order of this key, and through its buckets in that of theirs.
DROP INDEX recompute_paths_shard_idx;
CREATE INDEX recompute_paths_key ON recompute_paths (shard, conversion_date, conversion_id);
DROP INDEX recompute_buckets_shard_idx;

-- The conversions with the paths that count. What is prepared is looked up conversion by conversion, however few rows
-- there were when a statement was planned, and not at all before it counts.
CREATE OR REPLACE VIEW counted_conversions AS
SELECT c.conversion_id, c.conversion_date, c.user_id, c.campaign_id, c.source, c.type, c.value_minor, c.named_click_id,
	c.adjusted_minor, c.is_cancelled, c.shard, c.created_at, c.log_offset, c.accepted_at, c.attributed_at, n.click_id, n.click_date, n.path_extras, n.path_beyond,
	n.touch_ids, n.touch_dates, n.touch_campaigns, n.touch_sources, n.credits
FROM conversion_events c
LEFT JOIN LATERAL (
	SELECT p.*
	FROM recompute_paths p
	WHERE p.conversion_id = c.conversion_id AND p.conversion_date = c.conversion_date
		AND (SELECT state = 'folding' FROM recompute WHERE only_row)
	OFFSET 0
) r ON true
CROSS JOIN LATERAL (
	SELECT r.click_id, r.click_date, r.path_extras, r.path_beyond, r.touch_ids, r.touch_dates, r.touch_campaigns,
		r.touch_sources, r.credits
	WHERE r.conversion_id IS NOT NULL
	UNION ALL
	SELECT c.click_id, c.click_date, c.path_extras, c.path_beyond, c.touch_ids, c.touch_dates, c.touch_campaigns,
		c.touch_sources, c.credits
	WHERE r.conversion_id IS NULL
) n;
