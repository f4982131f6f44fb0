-- Recount the conversions of some days for every model, from the credits and the adjusted values they are stored with;
-- cancelled ones are not counted. A conversion that a
-- model credits to nothing is unattributed where it said to be. Values are shared by the credits, to the cent: what
-- rounding down leaves goes to the largest remainders, the later touch first.
-- $1 first day, $2 last day
WITH conversions AS NOT MATERIALIZED (
	SELECT conversion_id, conversion_date, shard, campaign_id, source, type, touch_ids, touch_campaigns, touch_sources,
		credits, coalesce(adjusted_minor, value_minor) AS value_minor,
		date_bin('15 minutes', conversion_date, 'epoch'::timestamptz) AS bucket
	FROM conversion_events
	WHERE NOT is_cancelled AND conversion_date >= $1::date::timestamp AT TIME ZONE 'UTC'
		AND conversion_date < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
), models (row, model) AS (
	VALUES (1, 'last_click'), (2, 'first_click'), (3, 'linear'), (4, 'position_based'), (5, 'time_decay'),
		(6, 'last_non_direct')
), shares AS (
	SELECT c.shard, t.campaign_id, t.source, c.type, m.model, c.bucket, k.credit, c.value_minor,
		c.conversion_id, c.conversion_date, t.place
	FROM conversions c
	CROSS JOIN models m
	CROSS JOIN LATERAL unnest(c.touch_campaigns, c.touch_sources) WITH ORDINALITY AS t (campaign_id, source, place)
	CROSS JOIN LATERAL (
		SELECT c.credits[(m.row - 1) * cardinality(c.touch_ids) + t.place] AS credit
	) k
	WHERE k.credit > 0
), whole AS (
	SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor::numeric AS value_minor
	FROM shares
	WHERE credit = 1000000
), divided AS (
	SELECT *, div(value_minor::numeric * credit, all_credits) AS base,
		value_minor::numeric * credit % all_credits AS remainder
	FROM (
		SELECT *, sum(credit) OVER (PARTITION BY conversion_id, conversion_date, model) AS all_credits
		FROM shares
		WHERE credit < 1000000
	) s
), parts AS (
	SELECT shard, campaign_id, source, type, model, bucket, credit,
		base + (row_number() OVER (PARTITION BY conversion_id, conversion_date, model ORDER BY remainder DESC, place DESC)
			<= value_minor - sum(base) OVER (PARTITION BY conversion_id, conversion_date, model))::int AS value_minor
	FROM divided
), credited AS (
	SELECT * FROM whole
	UNION ALL
	SELECT * FROM parts
), counted AS (
	SELECT shard, campaign_id, source, type, model, bucket, credit, value_minor, 0 AS unattributed,
		0::numeric AS unattributed_value_minor
	FROM credited
	UNION ALL
	SELECT c.shard, c.campaign_id, c.source, c.type, m.model, c.bucket, 0, 0, 1, c.value_minor
	FROM conversions c
	CROSS JOIN models m
	CROSS JOIN LATERAL (SELECT cardinality(c.touch_ids) AS touches) n
	WHERE coalesce((SELECT sum(credit) FROM unnest(c.credits[(m.row - 1) * n.touches + 1:m.row * n.touches]) AS u (credit)),
		0) = 0
)
INSERT INTO recounted_conversions
SELECT shard, campaign_id, source, type, model, bucket, sum(credit), sum(value_minor), sum(unattributed),
	sum(unattributed_value_minor)
FROM counted
GROUP BY 1, 2, 3, 4, 5, 6
