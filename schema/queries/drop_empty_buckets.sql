-- Drop the conversion buckets from which the transaction has taken away all that they held: what is stored must not
-- tell in which order the events came. A row is found again by where it lies, since the transaction that wrote it holds
-- the fence.
-- $1 what book_conversion_buckets.sql answered
DELETE FROM conversion_buckets b
WHERE b.ctid = ANY ($1::tid[])
