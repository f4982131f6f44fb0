-- Which of these conversions are stored? Answers their places, from 1.
-- $1 ids, $2 milliseconds since 1970
SELECT q.place
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS q (id, ms, place)
WHERE EXISTS (
	SELECT FROM conversion_events e
	WHERE e.conversion_id = q.id AND e.conversion_date = timestamptz 'epoch' + q.ms / 86400000 * interval '1 day'
		+ q.ms % 86400000 * interval '1 millisecond')
