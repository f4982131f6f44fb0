-- Store clicks that are most likely new; one that is stored already ends the transaction (see src/store/fresh.h).
COPY click_events (click_id, click_date, user_id, campaign_id, source, shard, log_offset, accepted_at)
FROM STDIN (FORMAT binary)
