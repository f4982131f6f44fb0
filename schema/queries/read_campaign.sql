-- One campaign, or no row.
-- $1 id
SELECT NULL, c.campaign_id, c.name, c.status, c.target_url, to_json(c.tags), c.revision,
	(extract(epoch FROM c.created_at) * 1000000)::bigint, (extract(epoch FROM c.updated_at) * 1000000)::bigint,
	(SELECT json_agg(json_build_array(w.type, CASE WHEN isfinite(w.valid_from)
			THEN (extract(epoch FROM w.valid_from) * 1000)::bigint END,
			(extract(epoch FROM w.lookback) * 1000)::bigint) ORDER BY w.type, w.valid_from)
		FROM attribution_windows w
		WHERE w.campaign_id = c.campaign_id)
FROM campaigns c
WHERE c.campaign_id = $1::uuid
