-- Something that belongs to a campaign changes in this transaction: its revision rises. No row: there is none.
-- $1 id
UPDATE campaigns SET revision = revision WHERE campaign_id = $1::uuid RETURNING 1
