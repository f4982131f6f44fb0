-- Give a piece's conversions their last click, by the rule of store_conversions.sql and what is stored now: events
-- that came since the recount count. Notes the bucket deltas, answers how many conversions changed.
-- $1 shard, $2 piece
WITH judged AS (
	SELECT c.tableoid AS home, c.ctid AS place, c.conversion_date, c.campaign_id, c.source, c.type, c.value_minor,
		k.click_id, k.click_date, (k.click_id IS NOT NULL)::int - (c.click_id IS NOT NULL)::int AS turn
	FROM wrong_attributions a
	JOIN conversion_events c ON c.conversion_id = a.conversion_id AND c.conversion_date = a.conversion_date
	LEFT JOIN LATERAL (
		SELECT e.click_id, e.click_date
		FROM click_events e
		WHERE e.user_id = c.user_id AND e.campaign_id = c.campaign_id AND e.source = c.source
			AND e.click_date <= c.conversion_date
			AND e.click_date >= c.conversion_date - (
				SELECT w.lookback FROM attribution_windows w
				WHERE w.campaign_id = '00000000-0000-0000-0000-000000000000' AND w.type = ''
					AND w.valid_from <= c.conversion_date
				ORDER BY w.valid_from DESC
				LIMIT 1)
		ORDER BY e.click_date DESC, e.click_id DESC
		LIMIT 1
	) k ON true
	WHERE a.shard = $1::int AND a.piece = $2::int
		AND (c.click_id IS DISTINCT FROM k.click_id OR c.click_date IS DISTINCT FROM k.click_date)
), changed AS (
	UPDATE conversion_events c
	SET click_id = j.click_id, click_date = j.click_date
	FROM judged j
	WHERE c.ctid = j.place AND c.tableoid = j.home AND c.conversion_date = j.conversion_date
	RETURNING j.*
), delta AS (
	INSERT INTO staged_deltas
	SELECT campaign_id, source, type, date_bin('15 minutes', conversion_date, 'epoch'::timestamptz), 0,
		1000000 * sum(turn), sum(turn * value_minor), -sum(turn), -sum(turn * value_minor)
	FROM changed
	WHERE turn <> 0
	GROUP BY 1, 2, 3, 4
)
SELECT count(*) FROM changed
