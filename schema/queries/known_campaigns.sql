-- Which of these campaigns are registered?
-- $1 ids
SELECT campaign_id FROM campaigns WHERE campaign_id = ANY ($1::uuid[])
