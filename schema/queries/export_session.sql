-- What an exporter's connection needs: its statements walk a primary key in its order, one month's partition at a
-- time. Planned with their parameters, so that only this partition is opened; nothing is to be sorted or scanned whole.
SET jit = off;
SET plan_cache_mode = force_custom_plan;
SET enable_sort = off;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
