-- Campaigns whose last change was not visible in an earlier snapshot, and the present snapshot. One row at least.
-- What a restored backup says of transactions that this server has not begun yet is not looked at.
-- $1 the earlier snapshot
SELECT pg_current_snapshot(), c.campaign_id, c.name, c.status, c.target_url, to_json(c.tags), c.revision,
	(extract(epoch FROM c.created_at) * 1000000)::bigint, (extract(epoch FROM c.updated_at) * 1000000)::bigint,
	(SELECT json_agg(json_build_array(w.type, CASE WHEN isfinite(w.valid_from)
			THEN (extract(epoch FROM w.valid_from) * 1000)::bigint END,
			(extract(epoch FROM w.lookback) * 1000)::bigint) ORDER BY w.type, w.valid_from)
		FROM attribution_windows w
		WHERE w.campaign_id = c.campaign_id)
FROM (SELECT) AS one
LEFT JOIN campaigns c ON c.changed_xid >= pg_snapshot_xmin($1::pg_snapshot)
	AND c.changed_xid < pg_snapshot_xmax(pg_current_snapshot())
	AND NOT pg_visible_in_snapshot(c.changed_xid, $1::pg_snapshot)
