-- The newest migration applied; an error where there is no schema.
SELECT coalesce(max(version), 0) FROM schema_migrations
