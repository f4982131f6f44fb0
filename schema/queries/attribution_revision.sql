-- Which settings of attribution are in force?
SELECT revision FROM attribution_revision
