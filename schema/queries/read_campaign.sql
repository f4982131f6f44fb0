-- One campaign, or no row.
-- $1 id
SELECT NULL, c.campaign_id, c.name, c.status, c.target_url, to_json(c.tags), c.revision,
	(extract(epoch FROM c.created_at) * 1000000)::bigint, (extract(epoch FROM c.updated_at) * 1000000)::bigint
FROM campaigns c
WHERE c.campaign_id = $1::uuid
