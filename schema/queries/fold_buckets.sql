-- Fold some of what a recompute adds into a shard's conversion buckets, which says the same; what comes to nothing goes.
-- Answers how many.
-- $1 shard, $2 how many
WITH taken AS (
	DELETE FROM recompute_buckets
	WHERE ctid = ANY (ARRAY (SELECT ctid FROM recompute_buckets WHERE shard = $1::int LIMIT $2::int))
	RETURNING *
), found AS MATERIALIZED (
	SELECT t.*, b.place, b.credit = -t.credit AND b.value_minor = -t.value_minor AND b.unattributed = -t.unattributed
		AND b.unattributed_value_minor = -t.unattributed_value_minor AS is_nothing
	FROM taken t
	LEFT JOIN LATERAL (
		SELECT e.ctid AS place, e.credit, e.value_minor, e.unattributed, e.unattributed_value_minor
		FROM conversion_buckets e
		WHERE e.campaign_id = t.campaign_id AND e.bucket = t.bucket AND e.shard = t.shard AND e.source = t.source
			AND e.type = t.type AND e.model = t.model
		OFFSET 0
	) b ON true
), gone AS (
	DELETE FROM conversion_buckets
	WHERE ctid = ANY (ARRAY (SELECT place FROM found WHERE is_nothing))
), added AS (
	INSERT INTO conversion_buckets AS b (shard, campaign_id, source, type, model, bucket, credit, value_minor,
		unattributed, unattributed_value_minor)
	SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed, unattributed_value_minor
	FROM found
	WHERE is_nothing IS NOT TRUE AND (credit, value_minor, unattributed, unattributed_value_minor) <> (0, 0, 0, 0)
	ON CONFLICT (campaign_id, bucket, shard, source, type, model) DO UPDATE
	SET credit = b.credit + excluded.credit, value_minor = b.value_minor + excluded.value_minor,
		unattributed = b.unattributed + excluded.unattributed,
		unattributed_value_minor = b.unattributed_value_minor + excluded.unattributed_value_minor
)
SELECT count(*) FROM taken
