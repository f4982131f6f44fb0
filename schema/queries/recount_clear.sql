-- Forget the last recount.
TRUNCATE recounted_clicks, recounted_conversions, recounted_days, recounted_keys, differences, wrong_attributions
