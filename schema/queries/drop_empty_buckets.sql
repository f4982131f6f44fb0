-- Drop the conversion buckets from which the batch has taken away all that they held: what is stored must not tell in
-- which order the events came. Cell by cell, as in stage_targets.sql.
-- $1 shard, $2 deltas
DELETE FROM conversion_buckets b
USING (
	SELECT campaign_id, source, type, model, bucket
	FROM unnest($2::pg_temp.staged_delta[])
	WHERE credit < 0 OR unattributed < 0
) d
CROSS JOIN LATERAL (
	SELECT e.ctid AS place
	FROM conversion_buckets e
	WHERE e.campaign_id = d.campaign_id AND e.bucket = d.bucket AND e.shard = $1::int AND e.source = d.source
		AND e.type = d.type AND e.model = d.model AND e.credit = 0 AND e.value_minor = 0 AND e.unattributed = 0
		AND e.unattributed_value_minor = 0
	OFFSET 0
) e
WHERE b.ctid = e.place
