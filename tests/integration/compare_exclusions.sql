-- The columns left out when the tables of two runs are compared: they say when a row was written and from where,
-- not what it says.
SELECT excluded.table_name, excluded.column_name
FROM (VALUES
	('click_events', 'created_at'),
	('click_events', 'log_offset'),
	('click_events', 'accepted_at'),
	('conversion_events', 'created_at'),
	('conversion_events', 'log_offset'),
	('conversion_events', 'accepted_at'),
	('conversion_events', 'attributed_at'),
	('adjustment_events', 'created_at'),
	('adjustment_events', 'log_offset'),
	('adjustment_events', 'accepted_at'),
	('campaign_journals', 'created_at'),
	('campaign_journals', 'updated_at'),
	('campaign_statistics', 'updated_at')
) AS excluded (table_name, column_name)
