-- Campaigns get what a client may say of them, and windows may be set for one campaign and one type.
--
-- How a process learns what changed: changed_xid is the transaction that wrote the row last. Whoever keeps the
-- snapshot of its last look finds what became visible since: rows whose changed_xid is not visible in that
-- snapshot. That is exact in whatever order concurrent transactions commit, and needs no lock. A notification
-- says that looking is worth while; it may get lost.
ALTER TABLE campaigns
	ADD COLUMN status text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'archived')),
	ADD COLUMN target_url text,
	ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
	ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
	ADD COLUMN revision bigint NOT NULL DEFAULT 1,
	ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
UPDATE campaigns SET updated_at = created_at;
CREATE INDEX campaigns_changed ON campaigns (changed_xid);

CREATE FUNCTION note_campaign_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.changed_xid := pg_current_xact_id();
	IF TG_OP = 'UPDATE' THEN
		NEW.updated_at := now();
		NEW.revision := OLD.revision + 1;
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER note_change BEFORE INSERT OR UPDATE ON campaigns
	FOR EACH ROW EXECUTE FUNCTION note_campaign_change();

-- Committing a notification takes a lock of the whole server; campaigns are written in short transactions of
-- their own, never in the one that books a batch.
CREATE FUNCTION notify_campaign_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('tyrattribution_campaigns', '');
	RETURN NULL;
END
$$;
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON campaigns
	FOR EACH STATEMENT EXECUTE FUNCTION notify_campaign_change();

-- The lookback window in force for conversions dated from valid_from on. The nil campaign is every campaign, the
-- empty type every type; what is more specific wins. NULL: from then on the less specific window holds again.
ALTER TABLE attribution_windows
	DROP CONSTRAINT attribution_windows_pkey,
	DROP CONSTRAINT attribution_windows_lookback_check,
	ADD COLUMN campaign_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	ADD COLUMN type text COLLATE "C" NOT NULL DEFAULT '',
	ALTER COLUMN lookback DROP NOT NULL,
	ADD CHECK (lookback BETWEEN interval '1 minute' AND interval '365 days'),
	ADD CHECK (lookback IS NOT NULL OR type <> '' OR campaign_id <> '00000000-0000-0000-0000-000000000000'),
	ADD PRIMARY KEY (campaign_id, type, valid_from);
