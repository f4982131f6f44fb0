-- List a piece's days for journals and caches, as book_day_shares.sql. A week or month is written again with any of its
-- days: the first that has a journal.
-- $1 shard, $2 version, $3 piece
INSERT INTO journal_changes (shard, version, campaign_id, day)
SELECT DISTINCT $1::int, $2::bigint, d.campaign_id, CASE
		WHEN d.period_kind IS NULL THEN d.day
		ELSE coalesce((
			SELECT min(j.day)
			FROM campaign_journals j
			WHERE j.campaign_id = d.campaign_id AND j.day >= d.day AND j.day < d.day
				+ CASE d.period_kind WHEN 'weekly' THEN interval '7 days' ELSE interval '1 month' END
		), d.day)
	END
FROM differences d
WHERE d.shard = $1::int AND d.piece = $3::int AND d.day <= (SELECT listed_through FROM journal_state)
