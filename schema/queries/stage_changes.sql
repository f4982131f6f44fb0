-- Stage the next campaign days of a round. Answers whether a round is open, and whether it has more than these.
-- $1 most
WITH next AS MATERIALIZED (
	SELECT campaign_id, day, row_number() OVER (ORDER BY campaign_id, day) AS n
	FROM round_days
	WHERE (campaign_id, day) > (SELECT campaign_id, day FROM round_place)
	ORDER BY campaign_id, day
	LIMIT $1::int + 1
), staged AS (
	INSERT INTO staged_days (campaign_id, day) SELECT campaign_id, day FROM next WHERE n <= $1::int
), placed AS (
	UPDATE round_place p SET campaign_id = l.campaign_id, day = l.day
	FROM (SELECT * FROM next WHERE n <= $1::int ORDER BY n DESC LIMIT 1) l
)
SELECT EXISTS (SELECT FROM round_versions), EXISTS (SELECT FROM next WHERE n > $1::int)
