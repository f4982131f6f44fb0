-- Click buckets beside the recount; where one side has no row it counts nothing. Answers how many cells were
-- compared, how many differ, and that none is pending.
-- $1 first day, $2 last day
WITH cells AS MATERIALIZED (
	SELECT shard, campaign_id, source, bucket, coalesce(b.clicks, 0) AS stored, coalesce(r.clicks, 0) AS recounted
	FROM (
		SELECT *
		FROM click_buckets
		WHERE bucket >= $1::date::timestamp AT TIME ZONE 'UTC'
			AND bucket < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
	) b
	FULL JOIN recounted_clicks r USING (campaign_id, bucket, shard, source)
), wrong AS (
	INSERT INTO differences ("table", shard, campaign_id, day, source, bucket, stored, recounted)
	SELECT 'click_buckets', shard, campaign_id, (bucket AT TIME ZONE 'UTC')::date, source, bucket,
		ARRAY[stored, 0, 0, 0, 0], ARRAY[recounted, 0, 0, 0, 0]
	FROM cells
	WHERE stored <> recounted
	RETURNING 1
)
SELECT (SELECT count(*) FROM cells), (SELECT count(*) FROM wrong), 0
