-- Create a campaign; no row if there is one of this id.
-- $1 id, $2 name, $3 status (NULL: active), $4 target URL (NULL or empty: none), $5 tags as a JSON array (NULL: none)
INSERT INTO campaigns AS c (campaign_id, name, status, target_url, tags)
VALUES ($1::uuid, $2::text, coalesce($3::text, 'active'), nullif($4::text, ''),
	ARRAY(SELECT t.tag FROM json_array_elements_text(coalesce($5::json, '[]')) WITH ORDINALITY AS t (tag, n) ORDER BY t.n))
ON CONFLICT DO NOTHING
RETURNING NULL, c.campaign_id, c.name, c.status, c.target_url, to_json(c.tags), c.revision,
	(extract(epoch FROM c.created_at) * 1000000)::bigint, (extract(epoch FROM c.updated_at) * 1000000)::bigint,
	(SELECT json_agg(json_build_array(w.type, CASE WHEN isfinite(w.valid_from)
			THEN (extract(epoch FROM w.valid_from) * 1000)::bigint END,
			(extract(epoch FROM w.lookback) * 1000)::bigint) ORDER BY w.type, w.valid_from)
		FROM attribution_windows w
		WHERE w.campaign_id = c.campaign_id)
