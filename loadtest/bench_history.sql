-- A history in an empty migrated database for `make bench STORED=n`: n clicks of the users and campaigns of
-- loadtest/limits/feed.c, a fifth of them in the last day, where users who still convert have them in their window, the
-- rest over the year before. Parameter: stored. What is derived from them is filled in too, but journals.
SELECT ensure_event_month('click_events', (date_trunc('month', now()) - make_interval(months => m))::date)
FROM generate_series(0, 13) AS m;

INSERT INTO campaigns (campaign_id)
SELECT ('10adbe57-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid FROM generate_series(0, :campaigns - 1) AS i;

INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard)
SELECT gen_random_uuid(), date_trunc('milliseconds', t),
	(lpad(to_hex((u * 2654435761) % 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(u), 12, '0'))::uuid,
	('10adbe57-0000-4000-8000-' || lpad(to_hex(floor(random() * :campaigns)::bigint), 12, '0'))::uuid,
	(ARRAY['search', 'social', 'email', 'display', 'affiliate'])[1 + floor(random() * 5)::int], u % :partitions
FROM (
	SELECT floor(random() * 1000000)::bigint AS u,
		now() - CASE WHEN i % 5 = 0 THEN random() * interval '1 day'
			ELSE interval '1 day' + random() * interval '364 days' END AS t
	FROM generate_series(1, :stored) AS i
) v;

INSERT INTO click_buckets (shard, campaign_id, source, bucket, clicks)
SELECT shard, campaign_id, source, date_bin('15 minutes', click_date, 'epoch'), count(*)
FROM click_events
GROUP BY 1, 2, 3, 4;

INSERT INTO day_shares (shard, campaign_id, day, clicks, conversions, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, (click_date AT TIME ZONE 'UTC')::date, count(*), 0, 0, 0, 0
FROM click_events
GROUP BY 1, 2, 3;

ANALYZE;
