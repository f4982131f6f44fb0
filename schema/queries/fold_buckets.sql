-- Fold some of what a recompute adds into a shard's conversion buckets, which says the same; what comes to nothing goes.
-- Only the holder of the fence writes a shard's buckets, so each is found again by where it lies.
-- Answers where the last one was and how many; no row: there are none from there on.
-- $1 shard, $2 how many, $3 $4 campaign and bucket, from where on
WITH next AS MATERIALIZED (
	SELECT ctid AS place, campaign_id, bucket
	FROM recompute_buckets
	WHERE shard = $1::int AND (campaign_id, bucket) >= ($3::uuid, $4::timestamptz)
	ORDER BY campaign_id, bucket, source, type, model
	LIMIT $2::int
), taken AS (
	DELETE FROM recompute_buckets
	WHERE ctid = ANY (ARRAY (SELECT place FROM next))
	RETURNING *
), found AS MATERIALIZED (
	SELECT t.*, b.place, b.credit = -t.credit AND b.value_minor = -t.value_minor AND b.unattributed = -t.unattributed
		AND b.unattributed_value_minor = -t.unattributed_value_minor AS is_nothing
	FROM (SELECT * FROM taken ORDER BY campaign_id, bucket, source, type, model) t
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
), changed AS (
	UPDATE conversion_buckets b
	SET credit = b.credit + f.credit, value_minor = b.value_minor + f.value_minor,
		unattributed = b.unattributed + f.unattributed,
		unattributed_value_minor = b.unattributed_value_minor + f.unattributed_value_minor
	FROM found f
	WHERE b.ctid = f.place AND NOT f.is_nothing
), added AS (
	INSERT INTO conversion_buckets (shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed,
		unattributed_value_minor)
	SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor, unattributed, unattributed_value_minor
	FROM found
	WHERE place IS NULL AND (credit, value_minor, unattributed, unattributed_value_minor) <> (0, 0, 0, 0)
)
SELECT campaign_id, bucket, count(*) OVER ()
FROM next
ORDER BY 1 DESC, 2 DESC
LIMIT 1
