-- Day shares beside the recount, as compare_click_buckets.sql.
-- $1 first day, $2 last day
WITH cells AS MATERIALIZED (
	SELECT shard, campaign_id, day,
		ARRAY[coalesce(d.clicks, 0), coalesce(d.conversions, 0), coalesce(d.value_minor, 0),
			coalesce(d.unattributed, 0), coalesce(d.unattributed_value_minor, 0)] AS stored,
		ARRAY[coalesce(r.clicks, 0), coalesce(r.conversions, 0), coalesce(r.value_minor, 0),
			coalesce(r.unattributed, 0), coalesce(r.unattributed_value_minor, 0)] AS recounted
	FROM (SELECT * FROM day_shares WHERE day BETWEEN $1::date AND $2::date) d
	FULL JOIN recounted_days r USING (campaign_id, day, shard)
), wrong AS (
	INSERT INTO differences ("table", shard, campaign_id, day, stored, recounted)
	SELECT 'day_shares', shard, campaign_id, day, stored, recounted
	FROM cells
	WHERE stored <> recounted
	RETURNING 1
)
SELECT (SELECT count(*) FROM cells), (SELECT count(*) FROM wrong), 0
