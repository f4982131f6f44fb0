-- Change what is not NULL of a campaign. One row: whether there is such a campaign, and the campaign as it is then,
-- which is NULL where another revision than the wanted one was found.
-- $1 id, $2 name, $3 status, $4 target URL (empty: none), $5 tags as a JSON array, $6 the revision it must have
WITH patched AS (
	UPDATE campaigns c
	SET name = coalesce($2::text, c.name), status = coalesce($3::text, c.status),
		target_url = nullif(coalesce($4::text, c.target_url), ''),
		tags = CASE WHEN $5::json IS NULL THEN c.tags ELSE ARRAY(
			SELECT t.tag FROM json_array_elements_text($5::json) WITH ORDINALITY AS t (tag, n) ORDER BY t.n)
		END
	WHERE c.campaign_id = $1::uuid AND c.revision = coalesce($6::bigint, c.revision)
	RETURNING c.*
)
SELECT EXISTS (SELECT FROM campaigns k WHERE k.campaign_id = $1::uuid), c.campaign_id, c.name, c.status, c.target_url, to_json(c.tags), c.revision,
	(extract(epoch FROM c.created_at) * 1000000)::bigint, (extract(epoch FROM c.updated_at) * 1000000)::bigint,
	(SELECT json_agg(json_build_array(w.type, CASE WHEN isfinite(w.valid_from)
			THEN (extract(epoch FROM w.valid_from) * 1000)::bigint END,
			(extract(epoch FROM w.lookback) * 1000)::bigint) ORDER BY w.type, w.valid_from)
		FROM attribution_windows w
		WHERE w.campaign_id = c.campaign_id)
FROM (SELECT) AS one
LEFT JOIN patched c ON true
