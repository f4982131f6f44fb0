-- Compare the marks: for each table the rows on both sides, how many groups differ, and the first of those.
SELECT n.tbl, coalesce(sum(l.n), 0), coalesce(sum(s.n), 0), count(*) FILTER (WHERE d.differs),
	coalesce(string_agg(
		CASE
		WHEN coalesce(l.n, 0) = coalesce(s.n, 0) THEN format('%s: other content', d.grp)
		ELSE format('%s: %s live, %s rebuilt', d.grp, coalesce(l.n, 0), coalesce(s.n, 0))
		END, E'\n' ORDER BY d.grp) FILTER (WHERE d.differs AND d.place <= 10), '')
FROM unnest(ARRAY['click_events', 'conversion_events', 'adjustment_events', 'click_buckets', 'conversion_buckets',
	'day_shares', 'campaign_journals', 'campaign_quarters', 'campaign_statistics', 'dead_letters',
	'partition_fences']) WITH ORDINALITY AS n (tbl, at)
LEFT JOIN (
	SELECT *, row_number() OVER (PARTITION BY tbl, differs ORDER BY grp) AS place
	FROM (
		SELECT tbl, grp, min(n) IS DISTINCT FROM max(n) OR min(hash) IS DISTINCT FROM max(hash) OR count(*) <> 2 AS differs
		FROM marks
		GROUP BY tbl, grp
	) g
) d ON d.tbl = n.tbl
LEFT JOIN marks l ON l.tbl = d.tbl AND l.grp = d.grp AND NOT l.is_shadow
LEFT JOIN marks s ON s.tbl = d.tbl AND s.grp = d.grp AND s.is_shadow
GROUP BY n.tbl, n.at
ORDER BY n.at
