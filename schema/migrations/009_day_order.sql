-- Journals are written in pieces, in the order of days and campaigns.
DROP INDEX day_shares_day;
CREATE INDEX day_shares_day ON day_shares (day, campaign_id);
