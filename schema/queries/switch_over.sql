-- The one row that switches: from here on what was prepared counts.
UPDATE recompute SET state = 'folding' WHERE state = 'building'
