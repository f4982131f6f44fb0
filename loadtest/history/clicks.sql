-- The clicks number first to last of a history, which lie in the month that begins on day, as a partition made like
-- those of ensure_event_month(): in the order of time, with UUIDv7, of limits/feed.c's users and campaigns. Each user
-- clicks once in a million clicks; in any hour twenty campaigns are clicked. The index of users is made as full as one
-- that has grown row by row.
-- Parameters: day, first, last, campaigns, partitions; the first `older` clicks lie between `starts` and `mid`, the
-- `recent` others between `mid` and `ends` (epoch milliseconds).
SET synchronous_commit = off;
SET jit = off;
SET maintenance_work_mem = '512MB';
SELECT 'click_events' || to_char(date :'day', '_YYYY_MM') AS child, to_char(date :'day', 'YYYY-MM-DD"Z"') AS since,
	to_char(date :'day' + interval '1 month', 'YYYY-MM-DD"Z"') AS upto \gset
CREATE FUNCTION pg_temp.join_halves(high bigint, low bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN encode(int8send(high) || int8send(low), 'hex')::uuid;
BEGIN;
CREATE TABLE :child (LIKE click_events INCLUDING ALL EXCLUDING INDEXES);
INSERT INTO :child (click_id, click_date, user_id, campaign_id, source, shard, log_offset, accepted_at)
SELECT pg_temp.join_halves((ms << 16) + x'7000'::bigint + i % 4096,
		-9223372036854775808 + (hashint8extended(i, 1) & 4611686018427387903)),
	t, pg_temp.join_halves(((u * 2654435761) << 32) + x'4000'::bigint, -9223372036854775808 + u),
	pg_temp.join_halves((x'10adbe57'::bigint << 32) + x'4000'::bigint,
		-9223372036854775808 + (ms / 3600000 * 20 + i % 20) % :campaigns),
	(ARRAY['search', 'social', 'email', 'display', 'affiliate'])[1 + i % 5], u % :partitions, i, t
FROM (
	SELECT i, ms, timestamptz 'epoch' + ms * interval '1 millisecond' AS t, i * 611953 % 1000000 AS u
	FROM generate_series(:first::bigint, :last::bigint) AS i
	CROSS JOIN LATERAL (SELECT CASE WHEN i <= :older THEN :starts + i * (:mid - :starts) / :older
		ELSE :mid + (i - :older) * (:ends - :mid) / :recent END AS ms) a
) v;
ALTER TABLE :child ADD PRIMARY KEY (click_id, click_date);
CREATE INDEX ON :child (user_id, click_date) WITH (fillfactor = 70);
ALTER TABLE click_events ATTACH PARTITION :child FOR VALUES FROM (:'since') TO (:'upto');
COMMIT;
VACUUM (ANALYZE) :child;
