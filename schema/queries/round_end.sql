-- No round is open.
TRUNCATE round_versions, round_days, round_place
