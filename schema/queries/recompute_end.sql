-- Nothing is recomputed any more.
UPDATE recompute SET state = 'none', valid_from = 'infinity', total = 0, description = ''
