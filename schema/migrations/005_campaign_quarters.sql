-- The quarters of an hour of a campaign's closed UTC day, packed: what answers long ranges in any time zone without
-- reading the buckets one by one. Written with the day's journal, and to be read under the same conditions. A row of
-- clicks has model ''; where there are none, and for models without conversions, there is no row.
-- Clicks: 10 bytes for each quarter that has any: its number (int2), clicks (int8).
-- Conversions: 34 bytes for each: its number, credit, unattributed, value, unattributed value. Sums of money have no
-- bound: what whole 10^18 they have stands in a second record, with 256 added to the number and no counts.
-- All in network order.
CREATE TABLE campaign_quarters (
	campaign_id uuid NOT NULL,
	day         date NOT NULL,
	model       text COLLATE "C" NOT NULL,
	quarters    bytea NOT NULL,
	PRIMARY KEY (campaign_id, day, model)
);

CREATE FUNCTION pack_conversions(quarter numeric, credit numeric, unattributed numeric, value_minor numeric,
	unattributed_value_minor numeric) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int2send(quarter::smallint) || int8send(credit::bigint) || int8send(unattributed::bigint)
	|| int8send(mod(value_minor, 1000000000000000000)::bigint)
	|| int8send(mod(unattributed_value_minor, 1000000000000000000)::bigint)
	|| CASE WHEN abs(value_minor) >= 1000000000000000000 OR abs(unattributed_value_minor) >= 1000000000000000000 THEN
		int2send((quarter + 256)::smallint) || int8send(0) || int8send(0)
		|| int8send(div(value_minor, 1000000000000000000)::bigint)
		|| int8send(div(unattributed_value_minor, 1000000000000000000)::bigint)
	ELSE '' END;

-- The days that are closed already.
INSERT INTO campaign_quarters (campaign_id, day, model, quarters)
SELECT campaign_id, bucket_day, '', string_agg(int2send(quarter::smallint) || int8send(clicks), '' ORDER BY quarter)
FROM (
	SELECT campaign_id, (bucket AT TIME ZONE 'UTC')::date AS bucket_day,
		extract(epoch FROM (bucket AT TIME ZONE 'UTC')::time) / 900 AS quarter, sum(clicks)::bigint AS clicks
	FROM click_buckets
	WHERE bucket < (SELECT (closed_through + 1)::timestamp AT TIME ZONE 'UTC' FROM journal_state)
	GROUP BY 1, 2, 3
	HAVING sum(clicks) <> 0
) b
GROUP BY 1, 2
UNION ALL
SELECT campaign_id, bucket_day, model, string_agg(
	pack_conversions(quarter, credit, unattributed, value_minor, unattributed_value_minor), '' ORDER BY quarter)
FROM (
	SELECT campaign_id, (bucket AT TIME ZONE 'UTC')::date AS bucket_day, model,
		extract(epoch FROM (bucket AT TIME ZONE 'UTC')::time) / 900 AS quarter, sum(credit) AS credit,
		sum(unattributed) AS unattributed, sum(value_minor) AS value_minor,
		sum(unattributed_value_minor) AS unattributed_value_minor
	FROM conversion_buckets
	WHERE bucket < (SELECT (closed_through + 1)::timestamp AT TIME ZONE 'UTC' FROM journal_state)
	GROUP BY 1, 2, 3, 4
	HAVING sum(credit) <> 0 OR sum(unattributed) <> 0 OR sum(value_minor) <> 0
) b
GROUP BY 1, 2, 3;
