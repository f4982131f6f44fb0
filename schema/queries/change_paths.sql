-- Give the stored targets their new paths, and what their adjustments make of them. A row is found again by where it lies, see stage_targets.sql.
UPDATE conversion_events c
SET click_id = p.click_id, click_date = p.click_date, path_extras = p.path_extras, path_beyond = p.path_beyond,
	touch_ids = p.touch_ids, touch_dates = p.touch_dates, touch_campaigns = p.touch_campaigns,
	touch_sources = p.touch_sources, credits = p.credits,
	adjusted_minor = s.adjusted_minor, is_cancelled = s.is_cancelled, attributed_at = now()
FROM staged_targets s
JOIN staged_paths p ON p.t = s.t
WHERE s.n IS NULL AND c.ctid = s.place AND c.tableoid = s.home AND c.conversion_date = s.conversion_date
