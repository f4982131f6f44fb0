-- $1 partitions
INSERT INTO deployment (partitions) VALUES ($1::int) ON CONFLICT DO NOTHING
