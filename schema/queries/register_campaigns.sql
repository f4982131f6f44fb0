-- Register campaigns never seen before, in id order, in a short transaction before the batch.
-- $1 ids
INSERT INTO campaigns (campaign_id)
SELECT id FROM unnest($1::uuid[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
