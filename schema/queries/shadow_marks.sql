-- Mark every table: for each group of its rows their number and the sum of their hashes, in any order. Left out
-- are the columns that say when a row was written and from where in the log, what an operator did to a dead letter,
-- and what differs between two readings of the same log (epochs, versions, re-reads).
-- $1 whose tables these are: false live, true rebuilt
INSERT INTO marks
SELECT $1::boolean, t.tbl, t.grp, t.n, t.hash
FROM (
	SELECT 'click_events' AS tbl, format('shard %s, %s', shard, day) AS grp, n, hash
	FROM (
		SELECT shard, (click_date AT TIME ZONE 'UTC')::date AS day, count(*) AS n,
			sum(hashtextextended((click_id, click_date, user_id, campaign_id, source)::text, 0)) AS hash
		FROM click_events
		GROUP BY 1, 2
	) k
	UNION ALL
	SELECT 'conversion_events', format('shard %s, %s', shard, day), n, hash
	FROM (
		SELECT shard, (conversion_date AT TIME ZONE 'UTC')::date AS day, count(*) AS n,
			sum(hashtextextended((conversion_id, conversion_date, user_id, campaign_id, source, type,
				value_minor, named_click_id, click_id, click_date, path_extras, path_beyond, touch_ids, touch_dates,
				touch_campaigns, touch_sources, credits, adjusted_minor, is_cancelled)::text, 0)) AS hash
		FROM conversion_events
		GROUP BY 1, 2
	) v
	UNION ALL
	SELECT 'adjustment_events', format('shard %s', shard), count(*),
		sum(hashtextextended((adjustment_id, adjustment_date, user_id, conversion_id, change, amount_minor)::text, 0))
	FROM adjustment_events
	GROUP BY shard
	UNION ALL
	SELECT 'click_buckets', format('shard %s, %s', shard, day), n, hash
	FROM (
		SELECT shard, (bucket AT TIME ZONE 'UTC')::date AS day, count(*) AS n,
			sum(hashtextextended((campaign_id, source, bucket, clicks)::text, 0)) AS hash
		FROM click_buckets
		GROUP BY 1, 2
	) kb
	UNION ALL
	SELECT 'conversion_buckets', format('shard %s, %s', shard, day), n, hash
	FROM (
		SELECT shard, (bucket AT TIME ZONE 'UTC')::date AS day, count(*) AS n,
			sum(hashtextextended((campaign_id, source, type, model, bucket, credit, value_minor,
				unattributed, unattributed_value_minor)::text, 0)) AS hash
		FROM conversion_buckets
		GROUP BY 1, 2
	) vb
	UNION ALL
	SELECT 'day_shares', format('shard %s, %s', shard, day), count(*),
		sum(hashtextextended((campaign_id, clicks, conversions, value_minor, unattributed,
			unattributed_value_minor)::text, 0))
	FROM day_shares
	WHERE (clicks, conversions, value_minor, unattributed, unattributed_value_minor) <> (0, 0, 0, 0, 0)
	GROUP BY shard, day
	UNION ALL
	SELECT 'campaign_journals', j.day::text, count(*),
		sum(hashtextextended((j.campaign_id, j.clicks, j.conversions, j.value_minor, j.unattributed,
			j.unattributed_value_minor)::text, 0))
	FROM campaign_journals j
	WHERE j.day <= (SELECT through FROM closed_days)
		AND NOT EXISTS (SELECT FROM dirty_days d WHERE d.campaign_id = j.campaign_id AND d.day = j.day)
	GROUP BY j.day
	UNION ALL
	SELECT 'campaign_quarters', q.day::text, count(*),
		sum(hashtextextended((q.campaign_id, q.model, q.quarters)::text, 0))
	FROM campaign_quarters q
	WHERE q.day <= (SELECT through FROM closed_days)
		AND NOT EXISTS (SELECT FROM dirty_days d WHERE d.campaign_id = q.campaign_id AND d.day = q.day)
	GROUP BY q.day
	UNION ALL
	SELECT 'campaign_statistics', format('%s %s', s.period_kind, s.period), count(*),
		sum(hashtextextended((s.campaign_id, s.clicks, s.conversions, s.value_minor, s.unattributed,
			s.unattributed_value_minor)::text, 0))
	FROM campaign_statistics s
	WHERE NOT EXISTS (
		SELECT FROM dirty_days d
		WHERE d.campaign_id = s.campaign_id AND d.day >= s.period
			AND d.day < s.period + CASE s.period_kind WHEN 'weekly' THEN interval '7 days' ELSE interval '1 month' END)
	GROUP BY s.period_kind, s.period
	UNION ALL
	SELECT 'dead_letters', format('%s, partition %s', topic, partition), count(*),
		sum(hashtextextended(("offset", reason)::text, 0))
	FROM dead_letters
	GROUP BY topic, partition
	UNION ALL
	SELECT 'partition_fences', format('%s, partition %s', t.topic, f.partition), 1,
		hashtextextended((t.first, t.high, t.stored + t.duplicate, t.dead_lettered, t.gaps, CASE
			WHEN NOT EXISTS (SELECT FROM read_again a WHERE a.partition = f.partition AND a.topic = t.topic)
			THEN t.stored END)::text, 0)
	FROM partition_fences f,
		unnest(ARRAY['clicks', 'conversions', 'adjustments'], f.first_offset, f.high_offset, f.stored, f.duplicate,
			f.dead_lettered, f.gaps) AS t (topic, first, high, stored, duplicate, dead_lettered, gaps)
	WHERE t.high >= 0
) t
