-- After a COMMIT of unknown outcome: what does the fence say? Waits until the old backend is gone.
-- $1 partition
SELECT epoch, version, next_offset FROM partition_fences WHERE partition = $1::int FOR UPDATE
