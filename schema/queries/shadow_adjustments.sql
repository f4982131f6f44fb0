-- Which of these adjustments are stored? Answers their places, from 1.
-- $1 ids, $2 milliseconds since 1970
SELECT q.place
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS q (id, ms, place)
WHERE EXISTS (
	SELECT FROM adjustment_events e
	WHERE e.adjustment_id = q.id AND e.adjustment_date = timestamptz 'epoch' + q.ms / 86400000 * interval '1 day'
		+ q.ms % 86400000 * interval '1 millisecond')
