-- Conversion buckets beside the recount, as compare_click_buckets.sql.
-- $1 first day, $2 last day
WITH cells AS MATERIALIZED (
	SELECT shard, campaign_id, source, type, model, bucket,
		ARRAY[0, coalesce(trim_scale(b.credit / 1000000.0), 0), coalesce(b.value_minor, 0),
			coalesce(b.unattributed, 0), coalesce(b.unattributed_value_minor, 0)] AS stored,
		ARRAY[0, coalesce(trim_scale(r.credit / 1000000.0), 0), coalesce(r.value_minor, 0), coalesce(r.unattributed, 0),
			coalesce(r.unattributed_value_minor, 0)] AS recounted
	FROM (
		SELECT *
		FROM conversion_buckets
		WHERE bucket >= $1::date::timestamp AT TIME ZONE 'UTC'
			AND bucket < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
	) b
	FULL JOIN recounted_conversions r USING (campaign_id, bucket, shard, source, type, model)
), wrong AS (
	INSERT INTO differences ("table", shard, campaign_id, day, source, type, model, bucket, stored, recounted)
	SELECT 'conversion_buckets', shard, campaign_id, (bucket AT TIME ZONE 'UTC')::date, source, type, model, bucket,
		stored, recounted
	FROM cells
	WHERE stored <> recounted
	RETURNING 1
)
SELECT (SELECT count(*) FROM cells), (SELECT count(*) FROM wrong), 0
