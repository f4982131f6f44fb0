-- From here on writers keep right what is prepared.
-- $1 from, $2 description
UPDATE recompute SET state = 'building', valid_from = $1::timestamptz, total = 0, description = $2 WHERE state = 'none'
RETURNING 1
