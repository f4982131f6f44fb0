-- Sums of buckets by period and key: clicks (without a model), then conversions by model. A period may be summed in
-- pieces. Clicks have no type: they have no key where types are the keys, and are counted whatever types are asked for.
-- $1 campaigns, $2 $3 begin and end of each piece (seconds since 1970), $4 its period, $5 whether it is of the one
-- before that, $6 what the key is, $7 sources (NULL: all), $8 whether all but these, $9 types, $10 whether all but these,
-- $11 models, $12 most rows
SELECT p.period, p.before, x.key, x.model, x.clicks, x.credit, x.unattributed, x.value_minor, x.unattributed_value_minor
FROM (
	SELECT period, before, to_timestamp(low) AS low, to_timestamp(high) AS high
	FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::boolean[]) AS u (low, high, period, before)
) p
CROSS JOIN LATERAL (
	SELECT CASE $6::text WHEN 'source' THEN b.source WHEN 'campaign' THEN b.campaign_id::text END AS key,
		NULL AS model, sum(b.clicks) AS clicks, 0 AS credit, 0 AS unattributed, 0 AS value_minor,
		0 AS unattributed_value_minor
	FROM click_buckets b
	WHERE b.campaign_id = ANY ($1::uuid[]) AND b.bucket >= p.low AND b.bucket < p.high
		AND ($7::text[] IS NULL OR (b.source = ANY ($7::text[])) <> $8::boolean)
	GROUP BY 1
	UNION ALL
	SELECT CASE $6::text WHEN 'source' THEN b.source WHEN 'campaign' THEN b.campaign_id::text WHEN 'type' THEN b.type END,
		b.model, 0, sum(b.credit), sum(b.unattributed), round(sum(b.value_minor)),
		round(sum(b.unattributed_value_minor))
	FROM counted_buckets b
	WHERE b.campaign_id = ANY ($1::uuid[]) AND b.bucket >= p.low AND b.bucket < p.high
		AND b.model = ANY ($11::text[])
		AND ($7::text[] IS NULL OR (b.source = ANY ($7::text[])) <> $8::boolean)
		AND ($9::text[] IS NULL OR (b.type = ANY ($9::text[])) <> $10::boolean)
	GROUP BY 1, 2
) x
ORDER BY 1, x.key COLLATE "C" NULLS FIRST
LIMIT $12::int
