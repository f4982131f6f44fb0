-- Packed quarters of closed days beside the recount of all shards, packed in the same way (migration
-- 005_campaign_quarters): they must be the same bytes. Of what differs the sums are kept; where these are equal, it is
-- the quarters, or the form. Days with a listed change that is not in the journals yet are pending.
-- $1 first day, $2 last day
WITH dirty AS MATERIALIZED (
	SELECT DISTINCT c.campaign_id, c.day
	FROM journal_changes c
	LEFT JOIN journal_progress p ON p.shard = c.shard
	WHERE c.version > coalesce(p.version, -1)
), clicks AS (
	SELECT campaign_id, (bucket AT TIME ZONE 'UTC')::date AS day,
		extract(epoch FROM (bucket AT TIME ZONE 'UTC')::time) / 900 AS quarter, sum(clicks)::bigint AS clicks
	FROM recounted_clicks
	GROUP BY 1, 2, 3
	HAVING sum(clicks) <> 0
), conversions AS (
	SELECT campaign_id, (bucket AT TIME ZONE 'UTC')::date AS day, model,
		extract(epoch FROM (bucket AT TIME ZONE 'UTC')::time) / 900 AS quarter, sum(credit) AS credit,
		sum(unattributed) AS unattributed, sum(value_minor) AS value_minor,
		sum(unattributed_value_minor) AS unattributed_value_minor
	FROM recounted_conversions
	GROUP BY 1, 2, 3, 4
	HAVING sum(credit) <> 0 OR sum(unattributed) <> 0 OR sum(value_minor) <> 0
), packed AS (
	SELECT campaign_id, day, '' AS model,
		string_agg(int2send(quarter::smallint) || int8send(clicks), '' ORDER BY quarter) AS quarters,
		ARRAY[sum(clicks), 0, 0, 0, 0] AS sums
	FROM clicks
	GROUP BY 1, 2
	UNION ALL
	SELECT campaign_id, day, model, string_agg(pack_conversions(quarter, credit, unattributed, value_minor,
		unattributed_value_minor), '' ORDER BY quarter),
		ARRAY[0, trim_scale(sum(credit) / 1000000.0), sum(value_minor), sum(unattributed), sum(unattributed_value_minor)]
	FROM conversions
	GROUP BY 1, 2, 3
), cells AS MATERIALIZED (
	SELECT campaign_id, day, model, x.campaign_id IS NOT NULL AS pending, q.quarters AS stored,
		p.quarters AS recounted, p.sums
	FROM (
		SELECT *
		FROM campaign_quarters
		WHERE day BETWEEN $1::date AND $2::date AND day <= (SELECT closed_through FROM journal_state)
	) q
	FULL JOIN (
		SELECT * FROM packed WHERE day <= (SELECT closed_through FROM journal_state)
	) p USING (campaign_id, day, model)
	LEFT JOIN dirty x USING (campaign_id, day)
), wrong AS (
	INSERT INTO differences ("table", campaign_id, day, model, stored, recounted)
	SELECT 'campaign_quarters', w.campaign_id, w.day, nullif(w.model, ''), s.sums,
		coalesce(w.sums, ARRAY[0, 0, 0, 0, 0])
	FROM cells w
	CROSS JOIN LATERAL (
		-- What whole records of the stored form add up to.
		SELECT ARRAY[
			coalesce(sum(r.n[1]) FILTER (WHERE w.model = ''), 0),
			coalesce(trim_scale(sum(r.n[1]) FILTER (WHERE w.model <> '') / 1000000.0), 0),
			coalesce(sum(r.n[3] * r.unit), 0), coalesce(sum(r.n[2]), 0), coalesce(sum(r.n[4] * r.unit), 0)] AS sums
		FROM (
			SELECT CASE WHEN get_byte(w.stored, i * f.size) > 0 THEN 1000000000000000000 ELSE 1::numeric END AS unit,
				ARRAY(
					SELECT ('x' || encode(substring(w.stored FROM i * f.size + 3 + k * 8 FOR 8), 'hex'))::bit(64)::bigint
					FROM generate_series(0, (f.size - 2) / 8 - 1) AS k
					ORDER BY k
				) AS n
			FROM (SELECT CASE w.model WHEN '' THEN 10 ELSE 34 END AS size) f
			CROSS JOIN LATERAL generate_series(0, octet_length(w.stored) / f.size - 1) AS i
		) r
	) s
	WHERE NOT w.pending AND w.stored IS DISTINCT FROM w.recounted
	RETURNING 1
)
SELECT count(*), (SELECT count(*) FROM wrong), count(*) FILTER (WHERE pending) FROM cells
