-- The paths that were made for the targets.
COPY staged_paths (t, click_id, click_date, path_extras, path_beyond, touch_ids, touch_dates, touch_campaigns,
	touch_sources, credits) FROM STDIN (FORMAT binary)
