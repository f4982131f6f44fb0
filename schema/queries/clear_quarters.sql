-- Take out the packed quarters of the staged days, which are written anew.
DELETE FROM campaign_quarters q
USING staged_days s
WHERE q.campaign_id = s.campaign_id AND q.day = s.day
