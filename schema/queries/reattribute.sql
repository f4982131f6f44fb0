-- Give conversions that came before their click to it: for every staged click the stored conversions of its
-- user, campaign and source whose window it lies in and whose present click it beats by (time, id).
-- Only a conversion that had no click moves in the buckets: the others stay with the same campaign and source.
-- A row is found again by where it lies (table and ctid): a join by its key may be planned as a scan of the whole
-- table. Nobody moves it in between, since only the holder of the fence writes a user's rows.
-- Answers how many conversions changed.
WITH better AS (
	SELECT DISTINCT ON (v.conversion_id, v.conversion_date) v.conversion_date, v.newly, v.home, v.place,
		k.click_id, k.click_date
	FROM staged_clicks k
	CROSS JOIN LATERAL (
		SELECT c.conversion_id, c.conversion_date, c.click_id IS NULL AS newly, c.tableoid AS home,
			c.ctid AS place
		FROM conversion_events c
		WHERE c.user_id = k.user_id AND c.campaign_id = k.campaign_id AND c.source = k.source
			AND c.conversion_date >= k.click_date
			AND c.conversion_date <= k.click_date + (
				SELECT max(w.lookback) FROM attribution_windows w
				WHERE w.campaign_id = '00000000-0000-0000-0000-000000000000' AND w.type = '')
			AND c.conversion_date <= k.click_date + (
				SELECT w.lookback FROM attribution_windows w
				WHERE w.campaign_id = '00000000-0000-0000-0000-000000000000' AND w.type = ''
					AND w.valid_from <= c.conversion_date
				ORDER BY w.valid_from DESC
				LIMIT 1)
			AND (c.click_id IS NULL OR (k.click_date, k.click_id) > (c.click_date, c.click_id))
		OFFSET 0 -- keeps the planner from turning the join round: click by click is the only good order
	) v
	ORDER BY v.conversion_id, v.conversion_date, k.click_date DESC, k.click_id DESC
), changed AS (
	UPDATE conversion_events c
	SET click_id = b.click_id, click_date = b.click_date
	FROM better b
	WHERE c.ctid = b.place AND c.tableoid = b.home AND c.conversion_date = b.conversion_date
	RETURNING c.campaign_id, c.source, c.type, c.conversion_date, c.value_minor, b.newly
), delta AS (
	INSERT INTO staged_deltas
	SELECT campaign_id, source, type, date_bin('15 minutes', conversion_date, 'epoch'::timestamptz), 0,
		1000000 * count(*), sum(value_minor), -count(*), -sum(value_minor)
	FROM changed
	WHERE newly
	GROUP BY 1, 2, 3, 4
)
SELECT count(*) FROM changed
