-- A piece is small: index lookups from its rows are the only good plans, and a lock is held meanwhile.
BEGIN;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_seqscan = off;
