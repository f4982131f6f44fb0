-- The planner knows nothing of new temporary tables.
ANALYZE recounted_clicks, recounted_conversions, recounted_days
