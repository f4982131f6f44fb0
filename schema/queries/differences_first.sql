-- The first differences of a table, as sentences: where, and the numbers that differ.
-- $1 table, $2 how many
SELECT format('campaign %s, ', campaign_id)
	|| CASE
		WHEN bucket IS NOT NULL THEN to_char(bucket AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
		WHEN period_kind = 'weekly' THEN format('week of %s', day)
		WHEN period_kind = 'monthly' THEN format('month of %s', day)
		ELSE day::text
	END
	|| coalesce(', shard ' || shard, '') || coalesce(', source "' || source || '"', '')
	|| coalesce(', type "' || type || '"', '') || coalesce(', ' || model, ''),
	coalesce((
		SELECT string_agg(format('%s %s stored, %s recounted', n.name, n.stored, n.recounted), '; ' ORDER BY n.place)
		FROM unnest(stored, recounted, ARRAY['clicks', 'conversions', 'value_minor', 'unattributed',
				'unattributed_value_minor']) WITH ORDINALITY AS n (stored, recounted, name, place)
		WHERE n.stored <> n.recounted
	), 'the same sums, but not in the same quarters, or packed in another way')
FROM differences
WHERE "table" = $1
ORDER BY day, campaign_id, bucket, shard, source, type, model
LIMIT $2::int
