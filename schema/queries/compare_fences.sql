-- What the fences count, by partition number and topic, beside the rows there are.
-- $1 the topics
SELECT coalesce(f.partition, e.shard), coalesce(f.topic, e.topic), coalesce(f.first, -1), coalesce(f.next, -1),
	coalesce(f.high, -1), coalesce(f.stored, 0), coalesce(f.duplicate, 0), coalesce(f.dead_lettered, 0),
	coalesce(f.gaps, 0), coalesce(f.reread, 0), coalesce(e.events, 0), coalesce(l.letters, 0)
FROM (
	SELECT p.partition, t.*
	FROM partition_fences p
	CROSS JOIN LATERAL unnest(p.first_offset, p.next_offset, p.high_offset, p.stored, p.duplicate,
			p.dead_lettered, p.gaps, p.reread)
		WITH ORDINALITY AS t (first, next, high, stored, duplicate, dead_lettered, gaps, reread, topic)
) f
FULL JOIN (
	SELECT shard, 1 AS topic, sum(clicks) AS events FROM recounted_clicks GROUP BY 1
	UNION ALL
	SELECT shard, 2, count(*) FROM conversion_events GROUP BY 1
	UNION ALL
	SELECT shard, 3, count(*) FROM adjustment_events GROUP BY 1
) e ON e.shard = f.partition AND e.topic = f.topic
LEFT JOIN (
	SELECT d.partition, array_position($1::text[], d.topic) AS topic, count(*) AS letters
	FROM dead_letters d
	GROUP BY 1, 2
) l ON l.partition = f.partition AND l.topic = f.topic
ORDER BY 1, 2
