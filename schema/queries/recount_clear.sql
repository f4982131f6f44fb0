-- Forget the last recount.
TRUNCATE recounted_clicks, recounted_conversions, recounted_days, differences, wrong_attributions
