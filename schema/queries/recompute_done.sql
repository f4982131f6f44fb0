-- A piece is done.
-- $1 shard, $2 piece
DELETE FROM recompute_work WHERE shard = $1::int AND piece = $2::int
