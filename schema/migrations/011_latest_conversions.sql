-- Which conversion of a shard is the latest: clicks behind it need not be looked for among those of stored conversions.
CREATE INDEX conversion_events_latest ON conversion_events (shard, conversion_date);
