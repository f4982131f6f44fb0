-- Every 15th of the first `older` clicks of a history converts a minute later. No other click of its user lies in the
-- window, so that it is the whole path, in every model. With their buckets.
-- Parameters: older.
SET synchronous_commit = off;
SET jit = off;
SET maintenance_work_mem = '512MB';
INSERT INTO conversion_events (conversion_id, conversion_date, user_id, campaign_id, source, type, value_minor,
	click_id, click_date, touch_ids, touch_dates, touch_campaigns, touch_sources, credits, shard, log_offset,
	accepted_at, attributed_at)
SELECT encode(substring(uuid_send(click_id) FOR 8) || int8send(hashint8extended(log_offset, 2) & 4611686018427387903
		| x'8000000000000000'::bigint), 'hex')::uuid,
	click_date + interval '1 minute', user_id, campaign_id, source, 'purchase', log_offset % 20000, click_id, click_date,
	ARRAY[click_id], ARRAY[click_date], ARRAY[campaign_id], ARRAY[source], array_fill(1000000, ARRAY[6]), shard,
	log_offset / 15, click_date + interval '1 minute', click_date + interval '1 minute'
FROM click_events
WHERE log_offset % 15 = 0 AND log_offset <= :older;
INSERT INTO conversion_buckets (shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
	unattributed_value_minor)
SELECT shard, campaign_id, source, 'purchase', model, bucket, n * 1000000, value, 0, 0
FROM (
	SELECT shard, campaign_id, source, date_bin('15 minutes', conversion_date, 'epoch') AS bucket, count(*) AS n,
		sum(value_minor) AS value
	FROM conversion_events
	GROUP BY 1, 2, 3, 4
) c
CROSS JOIN unnest(ARRAY['last_click', 'first_click', 'linear', 'position_based', 'time_decay', 'last_non_direct'])
	AS model;
ALTER TABLE conversion_buckets ADD PRIMARY KEY (campaign_id, bucket, shard, source, type, model);
VACUUM (ANALYZE) conversion_events, conversion_buckets;
