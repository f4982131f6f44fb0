-- Sums of buckets by period and key: clicks (without a model), then conversions by model. Periods before $4 are the
-- asked ones, those from there on their previous ones, in the same order. Clicks have no type: they have no key where
-- types are the keys, and are counted whatever types are asked for.
-- $1 campaigns, $2 $3 begin and end of each period (seconds since 1970), $4 how many are asked for, $5 what the key is,
-- $6 sources (NULL: all), $7 whether all but these, $8 types, $9 whether all but these, $10 models, $11 most rows
SELECT (p.i - 1) % $4::int, p.i > $4::int, x.key, x.model, x.clicks, x.credit, x.unattributed, x.value_minor,
	x.unattributed_value_minor
FROM (
	SELECT i, to_timestamp(low) AS low, to_timestamp(high) AS high
	FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS u (low, high, i)
) p
CROSS JOIN LATERAL (
	SELECT CASE $5::text WHEN 'source' THEN b.source WHEN 'campaign' THEN b.campaign_id::text END AS key,
		NULL AS model, sum(b.clicks) AS clicks, 0 AS credit, 0 AS unattributed, 0 AS value_minor,
		0 AS unattributed_value_minor
	FROM click_buckets b
	WHERE b.campaign_id = ANY ($1::uuid[]) AND b.bucket >= p.low AND b.bucket < p.high
		AND ($6::text[] IS NULL OR (b.source = ANY ($6::text[])) <> $7::boolean)
	GROUP BY 1
	UNION ALL
	SELECT CASE $5::text WHEN 'source' THEN b.source WHEN 'campaign' THEN b.campaign_id::text WHEN 'type' THEN b.type END,
		b.model, 0, sum(b.credit), sum(b.unattributed), round(sum(b.value_minor)),
		round(sum(b.unattributed_value_minor))
	FROM conversion_buckets b
	WHERE b.campaign_id = ANY ($1::uuid[]) AND b.bucket >= p.low AND b.bucket < p.high
		AND b.model = ANY ($10::text[])
		AND ($6::text[] IS NULL OR (b.source = ANY ($6::text[])) <> $7::boolean)
		AND ($8::text[] IS NULL OR (b.type = ANY ($8::text[])) <> $9::boolean)
	GROUP BY 1, 2
) x
ORDER BY 1, x.key COLLATE "C" NULLS FIRST
LIMIT $11::int
