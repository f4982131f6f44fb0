-- A year of 5 million events (4 million clicks, 1 million conversions, four fifths of them attributed), of 50 campaigns
-- and 20 sources, written straight into an empty migrated database, with what is derived from them but journals: the
-- server writes those when it starts.
SELECT ensure_event_month(t, (date_trunc('month', now()) - make_interval(months => m))::date)
FROM unnest(ARRAY['click_events', 'conversion_events']) AS t, generate_series(0, 13) AS m;

INSERT INTO campaigns (campaign_id) SELECT md5('campaign ' || i)::uuid FROM generate_series(0, 49) AS i;

INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard)
SELECT gen_random_uuid(), date_trunc('milliseconds', now() - random() * interval '365 days'),
	md5('user ' || floor(random() * 500000))::uuid, md5('campaign ' || floor(random() * 50))::uuid,
	'source-' || floor(random() * 20), floor(random() * 4)
FROM generate_series(1, 4000000);

INSERT INTO conversion_events (conversion_id, conversion_date, user_id, campaign_id, source, type, value_minor,
	click_id, click_date, shard)
SELECT gen_random_uuid(), t, md5('user ' || floor(random() * 500000))::uuid,
	md5('campaign ' || floor(random() * 50))::uuid, 'source-' || floor(random() * 20),
	(ARRAY['purchase', 'signup', 'lead'])[1 + floor(random() * 3)::int], floor(random() * 100000),
	CASE WHEN earned THEN gen_random_uuid() END, CASE WHEN earned THEN t END, floor(random() * 4)
FROM (
	SELECT date_trunc('milliseconds', now() - random() * interval '365 days') AS t, random() < 0.8 AS earned
	FROM generate_series(1, 1000000)
) v;

INSERT INTO click_buckets (shard, campaign_id, source, bucket, clicks)
SELECT shard, campaign_id, source, date_bin('15 minutes', click_date, 'epoch'), count(*)
FROM click_events
GROUP BY 1, 2, 3, 4;

INSERT INTO conversion_buckets (shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, source, type, 'last_click', date_bin('15 minutes', conversion_date, 'epoch'),
	count(click_id) * 1000000, coalesce(sum(value_minor) FILTER (WHERE click_id IS NOT NULL), 0),
	count(*) - count(click_id), coalesce(sum(value_minor) FILTER (WHERE click_id IS NULL), 0)
FROM conversion_events
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO day_shares (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, day, sum(clicks), sum(conversions), sum(value), sum(rest), sum(rest_value)
FROM (
	SELECT shard, campaign_id, (click_date AT TIME ZONE 'UTC')::date AS day, 1 AS clicks, 0 AS conversions,
		0 AS value, 0 AS rest, 0 AS rest_value
	FROM click_events
	UNION ALL
	SELECT shard, campaign_id, (conversion_date AT TIME ZONE 'UTC')::date, 0, (click_id IS NOT NULL)::int,
		CASE WHEN click_id IS NOT NULL THEN value_minor ELSE 0 END, (click_id IS NULL)::int,
		CASE WHEN click_id IS NULL THEN value_minor ELSE 0 END
	FROM conversion_events
) e
GROUP BY 1, 2, 3;

ANALYZE;
